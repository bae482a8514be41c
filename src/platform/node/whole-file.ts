import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, rename, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GodwitError } from '../../common/errors.ts';
import { errorCodeOf, hostError } from './host-error.ts';

/** Small blocks are gathered to that much before they are written. */
const BUFFER_BYTES = 1024 ** 2;
/** So much may wait in the host's cache. More would make all others wait when it is flushed at last. */
const UNSYNCED_BYTES = 64 * 1024 ** 2;
/** Blocks are made in this thread: others get their turn after so long. */
const TURN_MS = 5;

/** A draft of a file has this ending. What is left of one has no meaning to anyone. */
export const DRAFT_ENDING = '.draft';

export interface WholeFileOptions {
  /** The file may exist, and is replaced; else that is an error. */
  readonly replace?: boolean;
  /** Called with the bytes so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes a file that appears complete or not at all, whatever happens: it is filled under another name in the same folder, flushed,
 * and renamed. Gives its size. Throws GodwitError, 'full' among others, with nothing left behind; what `blocks` throws as it is.
 */
export async function writeWholeFile(
  path: string,
  blocks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: WholeFileOptions = {},
): Promise<number> {
  const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}${DRAFT_ENDING}`);
  let handle: FileHandle | undefined;
  try {
    handle = await open(draft, 'wx', 0o600);
    const sizeBytes = await append(handle, blocks, options);
    await handle.datasync();
    await handle.close();
    handle = undefined;
    throwIfAborted(options.signal);
    await giveName(draft, path, options.replace ?? false);
    await syncFolder(dirname(path));
    return sizeBytes;
  } catch (error) {
    throw writeError(error, path, draft);
  } finally {
    await handle?.close().catch(() => {});
    await unlink(draft).catch(() => {});
  }
}

/** The temporary name means nothing to anyone. */
function writeError(error: unknown, path: string, draft: string): unknown {
  if (error instanceof GodwitError || errorCodeOf(error) === undefined) return error;
  const { code, message } = hostError(error, `write ${path}`);
  return new GodwitError(code, message.replaceAll(draft, path), { cause: error });
}

async function append(
  handle: FileHandle,
  blocks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { onProgress, signal }: WholeFileOptions,
): Promise<number> {
  const output = new BufferedOutput(handle);
  let turnEndsMs = performance.now() + TURN_MS;
  for await (const block of blocks) {
    throwIfAborted(signal);
    await output.append(block);
    if (performance.now() < turnEndsMs) continue;
    onProgress?.(output.sizeBytes);
    await nextTurn();
    turnEndsMs = performance.now() + TURN_MS;
  }
  await output.flush();
  onProgress?.(output.sizeBytes);
  return output.sizeBytes;
}

class BufferedOutput {
  sizeBytes = 0;
  private readonly handle: FileHandle;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private filled = 0;
  private unsynced = 0;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  async append(block: Uint8Array): Promise<void> {
    this.sizeBytes += block.length;
    for (let at = 0; at < block.length; ) {
      const count = Math.min(block.length - at, BUFFER_BYTES - this.filled);
      this.buffer.set(block.subarray(at, at + count), this.filled);
      this.filled += count;
      at += count;
      if (this.filled === BUFFER_BYTES) await this.flush();
    }
  }

  async flush(): Promise<void> {
    for (let done = 0; done < this.filled; ) {
      const { bytesWritten } = await this.handle.write(this.buffer, done, this.filled - done);
      done += bytesWritten;
    }
    this.unsynced += this.filled;
    this.filled = 0;
    if (this.unsynced < UNSYNCED_BYTES) return;
    this.unsynced = 0;
    await this.handle.datasync();
  }
}

/** Unlike a rename, a link replaces nothing. Where the file system has no links, an empty file takes the name first. */
async function giveName(draft: string, path: string, replace: boolean): Promise<void> {
  if (replace) {
    await rename(draft, path);
    return;
  }
  try {
    await link(draft, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCodeOf(error) ?? '')) throw error;
    await writeFile(path, '', { flag: 'wx' });
    await rename(draft, path);
  }
}

/** What has a name in a folder has it after a crash of the host too. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new GodwitError('state', 'Writing was cancelled.');
}
