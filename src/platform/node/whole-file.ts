import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfCancelled } from '../../common/cancellation.ts';
import type { ByteFile, CreateWholeOptions, WriteWholeOptions } from '../files.ts';
import { NodeDraftFile } from './draft-file.ts';
import { syncFolder } from './sync-folder.ts';

/** Small blocks are gathered to that much before they are written. */
const CANCELLED = 'Writing was cancelled';
const BUFFER_BYTES = 1024 ** 2;
/** So much may wait in the host's cache. More would make all others wait when it is flushed at last. */
const UNSYNCED_BYTES = 64 * 1024 ** 2;
/** Blocks are made in this thread: others get their turn after so long. */
const TURN_MS = 5;

export interface WholeFileOptions extends WriteWholeOptions {
  /** As the process's mask leaves it. For its owner's eyes only when not given. */
  readonly mode?: number;
}

/**
 * Writes a file that appears complete or not at all, whatever happens: it is filled under another name in the same
 * folder, flushed, and renamed. Gives its size. Throws GodwitError, 'full' among others, with nothing left behind; what
 * `blocks` throws as it is.
 */
export async function writeWholeFile(
  path: string,
  blocks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: WholeFileOptions = {},
): Promise<number> {
  const { mode = 0o600, inOwnFolder = false } = options;
  const draft = await NodeDraftFile.openDraft(path, { mode, unlocked: inOwnFolder });
  try {
    const sizeBytes = await append(draft, blocks, options);
    if (!inOwnFolder) await draft.sync();
    throwIfCancelled(options.signal, CANCELLED);
    await (options.replace ? draft.replace() : draft.appear());
    if (!inOwnFolder) await syncFolder(dirname(path));
    return sizeBytes;
  } finally {
    await draft.discard();
  }
}

/** The same for a file that is filled by random access, and must not exist. */
export async function createWhole(
  path: string,
  fill: (file: ByteFile) => Promise<void>,
  { temporary = false }: CreateWholeOptions = {},
): Promise<void> {
  const draft = await NodeDraftFile.openDraft(path);
  try {
    await fill(draft);
    if (!temporary) await draft.sync();
    await draft.appear();
    if (!temporary) await syncFolder(dirname(path));
  } finally {
    await draft.discard();
  }
}

async function append(
  draft: ByteFile,
  blocks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { onProgress, signal }: WholeFileOptions,
): Promise<number> {
  const output = new BufferedOutput(draft);
  let turnEndsMs = performance.now() + TURN_MS;
  for await (const block of blocks) {
    throwIfCancelled(signal, CANCELLED);
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
  private readonly file: ByteFile;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private filled = 0;
  private written = 0;
  private unsynced = 0;

  constructor(file: ByteFile) {
    this.file = file;
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
    await this.file.write(this.written, this.buffer.subarray(0, this.filled));
    this.written += this.filled;
    this.unsynced += this.filled;
    this.filled = 0;
    if (this.unsynced < UNSYNCED_BYTES) return;
    this.unsynced = 0;
    await this.file.sync();
  }
}
