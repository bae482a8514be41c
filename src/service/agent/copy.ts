/** Copies files and folders between the host and a guest, by the guest's agent. */
import { type AskAgent, type GuestOutput, GuestProcess } from '../../api/guest-process.ts';
import type { CancellationSignal } from '../../common/cancellation.ts';
import { type ErrorCode, GodwitError } from '../../common/errors.ts';
import { platform } from '../../platform/platform.ts';
import type { HostTrees } from '../../platform/trees.ts';
import { readTree, type TreeProgress, writeTree } from './tree-stream.ts';

export type { TreeProgress };

/** How files are copied. */
export interface CopyOptions {
  /** Told now and then how far it is. */
  readonly onProgress?: (progress: TreeProgress) => void;
  /** Gives the copy up: no file is there in part. */
  readonly signal?: CancellationSignal;
  /** For how many milliseconds an agent is waited for that has not answered yet. Default 30000. */
  readonly agentTimeoutMs?: number;
}

/** What was copied. */
export interface CopyReport {
  /** Of files. */
  readonly bytes: number;
  /** Paths of what was left out: it is neither file, folder nor link. */
  readonly skipped: readonly string[];
}

/** Linux' numbers. */
const ERRORS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  1: ['denied', 'the guest does not permit it'],
  2: ['not-found', 'it does not exist in the guest'],
  13: ['denied', 'permission is missing'],
  17: ['usage', 'it exists already'],
  20: ['not-found', 'a part of its path is not a folder'],
  21: ['usage', 'it is a folder'],
  22: ['usage', 'it is neither a file nor a folder'],
  27: ['full', 'the file system takes no larger file'],
  28: ['full', 'no space is left in the guest'],
  30: ['denied', "the guest's file system is read-only"],
  36: ['usage', 'its name is too long'],
  39: ['usage', 'it is a folder that is not empty'],
  40: ['usage', 'its symbolic links form a loop'],
};
const ERROR_BYTES_MAXIMUM = 64 * 1024;

function trees(): HostTrees {
  const found = platform().trees;
  if (found) return found;
  throw new GodwitError('unsupported', 'This host has no folders to copy from or to.');
}

function requirePath(path: unknown, whose: string): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new GodwitError('usage', `A path ${whose} is a text that is not empty.`);
  }
}

/** What PUT or GET said on standard error: its error, and what it left out. */
class Words {
  private text = '';
  private readonly decoder = new TextDecoder();

  add(bytes: Uint8Array): void {
    if (this.text.length < ERROR_BYTES_MAXIMUM) this.text += this.decoder.decode(bytes, { stream: true });
  }

  private get lines(): { number: number; path: string }[] {
    return [...this.text.matchAll(/^(\d{1,5}) (.*)$/gm)].map(([, number, path]) => ({
      number: Number(number),
      path: path!,
    }));
  }

  get skipped(): string[] {
    return this.lines.filter(({ number }) => number === 0).map(({ path }) => path);
  }

  error(action: string, path: string): GodwitError {
    const said = this.lines.find(({ number }) => number !== 0);
    const [code, reason] = ERRORS[said?.number ?? 0] ?? ['io', `Linux' error ${said?.number ?? 'is not known'}`];
    return new GodwitError(code, `Cannot ${action} ${said?.path ?? path} in the guest: ${reason}.`);
  }
}

/** Copies a file or folder into a guest: into the folder `guestPath`, or as `guestPath`, if that is no folder. */
export async function copyIn(
  ask: AskAgent,
  hostPath: string,
  guestPath: string,
  { onProgress = () => {}, signal, agentTimeoutMs }: CopyOptions = {},
): Promise<CopyReport> {
  requirePath(hostPath, 'of the host');
  requirePath(guestPath, 'of the guest');
  const skipped: string[] = [];
  const host = trees();
  const entries = host.read(hostPath, (path) => skipped.push(path))[Symbol.asyncIterator]();
  // What is not there is said before anything happens.
  const first = await entries.next();
  const process = await begin(ask, 'put', [guestPath, host.nameOf(hostPath)], agentTimeoutMs);
  const guard = new Guard(process, signal, `The copy of ${hostPath} was given up.`);
  const words = new Words();
  const reading = guard.whole(async () => {
    for await (const { stream, bytes } of process) if (stream === 'stderr') words.add(bytes);
    return await process.exited;
  });
  reading.catch(() => {});
  let bytes = 0;
  const sending = writeTree(
    startingWith(first, entries),
    async (piece) => {
      if (guard.isOver) throw OVER;
      await process.write(piece);
    },
    (progress) => {
      bytes = progress.doneBytes;
      onProgress(progress);
    },
  ).then(() => process.end());
  try {
    await sending;
  } catch (error) {
    // One that ended before it had all says why.
    if (!guard.isOver) {
      await process.cancel().catch(() => {});
      throw guard.reasonOf(error);
    }
  }
  const { exitCode } = await reading;
  if (exitCode !== 0) throw words.error('write', guestPath);
  return { bytes, skipped };
}

const OVER = new GodwitError('io', 'The guest takes no more.');

async function* startingWith<T>(
  first: IteratorResult<T, unknown>,
  rest: AsyncIterator<T>,
): AsyncGenerator<T, void, undefined> {
  for (let next = first; !next.done; next = await rest.next()) yield next.value;
}

/** Copies a file or folder out of a guest: into the folder `hostPath`, or as `hostPath`, if that is no folder. */
export async function copyOut(
  ask: AskAgent,
  guestPath: string,
  hostPath: string,
  { onProgress = () => {}, signal, agentTimeoutMs }: CopyOptions = {},
): Promise<CopyReport> {
  requirePath(hostPath, 'of the host');
  requirePath(guestPath, 'of the guest');
  const target = await trees().target(hostPath, lastPart(guestPath));
  const process = await begin(ask, 'get', [guestPath], agentTimeoutMs);
  const guard = new Guard(process, signal, `The copy of ${guestPath} was given up.`);
  const words = new Words();
  const output = process[Symbol.asyncIterator]();
  const files = guard.each(output, words);
  let bytes = 0;
  try {
    await readTree(files, target, (progress) => {
      bytes = progress.doneBytes;
      onProgress(progress);
    });
    if (!(await files.next()).done) throw new GodwitError('damaged', 'The guest sent more than files.');
  } catch (error) {
    if (!guard.isOver) {
      await output.return(undefined);
      throw guard.reasonOf(error);
    }
    // What the guest says of itself is the cause, if it says anything.
    const status = await process.exited.catch(() => undefined);
    throw status && status.exitCode !== 0 ? words.error('read', guestPath) : guard.reasonOf(error);
  }
  const { exitCode } = await process.exited;
  if (exitCode !== 0) throw words.error('read', guestPath);
  return { bytes, skipped: words.skipped };
}

/** Ends a copy that nobody wants any more, and knows whether it has come to its end. */
class Guard {
  isOver = false;
  private isGivenUp = false;
  private readonly error: GodwitError;
  private readonly signal: CancellationSignal | undefined;
  private readonly abort: () => void;

  constructor(process: GuestProcess, signal: CancellationSignal | undefined, why: string) {
    this.error = new GodwitError('state', why);
    this.signal = signal;
    this.abort = () => {
      this.isGivenUp = true;
      process.cancel().catch(() => {});
    };
    signal?.addEventListener('abort', this.abort);
    if (signal?.aborted) this.abort();
  }

  /** `error`, unless it came of giving up. */
  reasonOf(error: unknown): unknown {
    return this.isGivenUp ? this.error : error;
  }

  async whole<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.reasonOf(error);
    } finally {
      this.end();
    }
  }

  /** What comes on standard output; the rest goes to `words`. */
  async *each(output: AsyncIterator<GuestOutput>, words: Words): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let next = await output.next(); !next.done; next = await output.next()) {
        if (next.value.stream === 'stderr') words.add(next.value.bytes);
        else yield next.value.bytes;
      }
      this.isOver = true;
    } finally {
      this.signal?.removeEventListener('abort', this.abort);
    }
  }

  private end(): void {
    this.isOver = true;
    this.signal?.removeEventListener('abort', this.abort);
  }
}

/** Nothing for what has no name of its own, such as "/" or "..": it becomes what it is copied to. */
function lastPart(path: string): string {
  const part =
    path
      .split('/')
      .filter((each) => each !== '')
      .at(-1) ?? '';
  return part === '.' || part === '..' ? '' : part;
}

function begin(ask: AskAgent, task: 'put' | 'get', words: string[], waitMs: number | undefined): Promise<GuestProcess> {
  return GuestProcess.begin(ask, { task, arguments: words, ...(waitMs !== undefined && { waitMs }) });
}
