/**
 * How long work tells what it is doing. The work itself knows nothing of terminals: it calls a {@link Progress}, and
 * the command line passes one that draws.
 */

/** How far long work is. */
export interface ProgressUpdate {
  /** What is being done, for a person: "Fetching Debian's kernel". */
  phase: string;
  /** How much of it is done, of `total`, in `unit`. Missing when that can't be known. */
  done?: number;
  /** How much there is of it. */
  total?: number;
  /** What `done` and `total` count. */
  unit?: 'bytes' | 'packages' | 'files';
}

/** Who is told what long work is doing. */
export interface Progress {
  /** Called often; the same phase may come many times with a growing `done`. */
  update(update: ProgressUpdate): void;
  /** One line that a person should see and keep, such as that a damaged file is fetched again. */
  note(line: string): void;
  /** The work ended, well or not. */
  end(): void;
}

export const silentProgress: Progress = { update: () => {}, note: () => {}, end: () => {} };

/** What `renderProgress` needs of a stream; process.stderr fits. */
export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const BAR_CELLS = 24;
/** Lines are drawn again at most this often. */
const REDRAW_MS = 100;
const CLEAR_LINE = '\r\x1b[K';

function formatQuantity(value: number, unit: ProgressUpdate['unit']): string {
  return unit === 'bytes' ? `${(value / 1e6).toFixed(1)} MB` : `${Math.floor(value)} ${unit ?? ''}`.trimEnd();
}

function formatAmount({ done, total, unit }: ProgressUpdate): string {
  if (done === undefined) return '';
  return total === undefined
    ? formatQuantity(done, unit)
    : `${formatQuantity(done, unit)} of ${formatQuantity(total, unit)}`;
}

function formatBar(update: ProgressUpdate): string {
  if (update.done === undefined || update.total === undefined || update.total <= 0) return '';
  const part = Math.min(1, update.done / update.total);
  const full = Math.round(part * BAR_CELLS);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}] ${String(Math.floor(part * 100)).padStart(3)} %`;
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('  ');
}

/** Where there is little room, the bar is left out first, then the end of what is being done; amounts stay. */
export function formatLine(update: ProgressUpdate, columns: number): string {
  const amount = formatAmount(update);
  const line = joined(update.phase, formatBar(update), amount);
  if (line.length <= columns) return line;
  const plain = joined(update.phase, amount);
  if (plain.length <= columns) return plain;
  // For two spaces, and the sign that something is left out.
  const room = Math.max(0, columns - (amount === '' ? 0 : amount.length + 2) - 1);
  return joined(`${update.phase.slice(0, room)}…`, amount).slice(0, columns);
}

/** One line that is drawn over and over, for a terminal. */
function terminalProgress(stream: ProgressStream): Progress {
  let lastDrawMs = 0;
  let phase = '';
  let drawn = false;
  const clear = (): void => {
    if (drawn) stream.write(CLEAR_LINE);
    drawn = false;
  };
  return {
    update(update) {
      const now = performance.now();
      if (update.phase === phase && now - lastDrawMs < REDRAW_MS && update.done !== update.total) return;
      phase = update.phase;
      lastDrawMs = now;
      stream.write(CLEAR_LINE + formatLine(update, (stream.columns ?? 80) - 1));
      drawn = true;
    },
    note(line) {
      clear();
      stream.write(`${line}\n`);
    },
    end: clear,
  };
}

/** One line for each phase, for a log file or a pipe. */
function lineProgress(stream: ProgressStream): Progress {
  let phase = '';
  return {
    update(update) {
      if (update.phase === phase) return;
      phase = update.phase;
      const total = update.total === undefined ? '' : ` (${formatQuantity(update.total, update.unit)})`;
      stream.write(`${phase}${total}\n`);
    },
    note: (line) => stream.write(`${line}\n`),
    end: () => {},
  };
}

/** A {@link Progress} that draws on a stream: a moving line on a terminal, plain lines otherwise. */
export function renderProgress(stream: ProgressStream): Progress {
  return stream.isTTY === true ? terminalProgress(stream) : lineProgress(stream);
}
