import { GodwitError } from '../../src/common/errors.ts';
import { parseMarker } from '../markers.ts';
import { KernelFailed, type KernelRun, REFERENCE_WORK } from './contender.ts';

/** A line of the guest's console, and where its machine stood when it came. */
export interface ConsoleLine {
  readonly text: string;
  /** On one clock for all lines of a machine. */
  readonly atMs: number;
  readonly cpuMs: number | undefined;
  readonly instructions: number | undefined;
  /** Counts of godwit's engine so far. */
  readonly engine?: Readonly<Record<string, number>>;
}

const BOOT_LIMIT_MS = 120_000;
const KERNEL_LIMIT_MS = 1_800_000;
/** How many of the last lines are shown when a machine ends early. */
const LINES_KEPT = 10;

/** Talks to the script in the guest: sends commands, waits for its marker lines. */
export class ConsoleSession {
  private readonly send: (text: string) => void;
  private readonly recent: string[] = [];
  private listener: ((line: ConsoleLine) => void) | undefined;
  private onEnd: ((error: GodwitError) => void) | undefined;
  private ended: GodwitError | undefined;

  constructor(send: (text: string) => void) {
    this.send = send;
  }

  /** For whoever reads the console. */
  line(line: ConsoleLine): void {
    this.recent.push(line.text);
    if (this.recent.length > LINES_KEPT) this.recent.shift();
    this.listener?.(line);
  }

  /** The machine has ended, or is about to; what waits for a line fails. */
  end(reason: string): void {
    if (this.ended) return;
    const lines = this.recent.filter((text) => text !== '');
    const last = lines.length === 0 ? '' : ` The last it printed:\n${lines.join('\n')}`;
    this.ended = new GodwitError('io', `${reason}${last}`);
    this.onEnd?.(this.ended);
  }

  /** Waits until `wanted` gives something for a line. */
  private waitFor<T>(limitMs: number, what: string, wanted: (line: ConsoleLine) => T | undefined): Promise<T> {
    if (this.ended) return Promise.reject(this.ended);
    return new Promise<T>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        this.listener = undefined;
        this.onEnd = undefined;
        settle();
      };
      const timer = setTimeout(() => {
        const error = new GodwitError('io', `The guest did not print ${what} within ${limitMs / 1000} seconds.`);
        finish(() => reject(error));
      }, limitMs);
      this.onEnd = (error) => finish(() => reject(error));
      this.listener = (line) => {
        try {
          const found = wanted(line);
          if (found !== undefined) finish(() => resolve(found));
        } catch (error) {
          finish(() => reject(error));
        }
      };
    });
  }

  /** Waits for the guest to be up. */
  async ready(): Promise<ConsoleLine> {
    return this.waitFor(BOOT_LIMIT_MS, '@ready', (line) =>
      parseMarker(line.text)?.kind === 'ready' ? line : undefined,
    );
  }

  /** Runs a kernel. The guest must be ready, and is afterwards. */
  async run(kernel: string, repetitions: number): Promise<KernelRun> {
    let start: ConsoleLine | undefined;
    let stop: Stop | undefined;
    let result: KernelRun | KernelFailed | undefined;
    const finished = this.waitFor(KERNEL_LIMIT_MS, `the end of ${kernel}`, (line) => {
      const marker = parseMarker(line.text);
      if (marker?.kind === 'failed') {
        result = new KernelFailed(`it failed in the guest with status ${marker.status}`);
      }
      if (marker?.kind === 'start' && marker.name === kernel) start = line;
      if (marker?.kind === 'stop' && marker.name === kernel) stop = { line, work: marker.work };
      if (marker?.kind === 'end' && marker.name === kernel && start) {
        result = between(start, stop ?? { line, work: undefined }, marker.checksum);
      }
      return marker?.kind === 'ready' ? result : undefined;
    });
    this.send(`${kernel} ${repetitions}\n`);
    const ended = await finished;
    if (ended instanceof KernelFailed) throw ended;
    return ended;
  }
}

/** What ended the time. */
interface Stop {
  readonly line: ConsoleLine;
  readonly work: number | undefined;
}

function between(start: ConsoleLine, { line, work }: Stop, checksum: string): KernelRun {
  const factor = work === undefined ? 1 : REFERENCE_WORK / work;
  const difference = (from: number | undefined, to: number | undefined): number | undefined =>
    from === undefined || to === undefined ? undefined : (to - from) * factor;
  return {
    checksum,
    wallMs: (line.atMs - start.atMs) * factor,
    cpuMs: difference(start.cpuMs, line.cpuMs),
    instructions: difference(start.instructions, line.instructions),
    ...(start.engine && line.engine && { engine: differences(start.engine, line.engine) }),
  };
}

function differences(
  from: Readonly<Record<string, number>>,
  to: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(to).map(([name, count]) => [name, count - (from[name] ?? 0)]));
}
