import { fromWireError } from '../../../api/wire-error.ts';
import { checkpointBlocks, pageBatches } from '../../../checkpoint/page-batches.ts';
import type { CheckpointHead } from '../../../checkpoint/write.ts';
import { throwIfCancelled } from '../../../common/cancellation.ts';
import { GodwitError } from '../../../common/errors.ts';
import { PendingRequests } from '../../../common/pending-requests.ts';
import type { MemorySnapshot } from '../../../memory/snapshot.ts';
import { platform } from '../../../platform/platform.ts';
import type { Thread } from '../../../platform/threads.ts';
import { flattenFile } from './flatten.ts';
import type { FromWriter, ToWriter } from './writer-protocol.ts';

/** So long the thread that asked looks up frames before its other work, such as a machine, gets a turn. */
const LOOKUP_MS = 0.3;
const BATCH_PAGES = 4096;
/** The thread ends when it had nothing to do for so long. */
const IDLE_MS = 30_000;

export interface WriteOptions {
  /** Called with the bytes in the file so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
  /** Take in all pages of the checkpoints that it builds on, which are in this folder. */
  readonly flattenFrom?: string;
}

/** A file that the thread writes. */
interface Writing {
  readonly job: number;
  /** Gives its size. */
  readonly finished: Promise<number>;
}

/** Told of the bytes in the file so far. */
type Progress = ((bytes: number) => void) | undefined;

/**
 * Writes checkpoints in a thread of its own, several at once if need be. The thread starts with the first, or with
 * `start`. When it has nothing to do it does not keep the process alive, and ends after a while.
 */
export class BackgroundWriter {
  private thread: Thread | undefined;
  private readonly jobs = new PendingRequests<number, Progress>();
  /** Calls off what ends the thread when it is idle. */
  private stayUp: (() => void) | undefined;

  /** Starts the thread, so that the first checkpoint need not wait for it. */
  start(): void {
    this.thread ??= this.startThread();
    this.endWhenIdle();
  }

  private endWhenIdle(): void {
    this.stayUp?.();
    this.stayUp = platform().timers.later(IDLE_MS, () => {
      if (this.jobs.count === 0) void this.close();
    });
  }

  /**
   * Writes a file of a draft, complete or not at all, and gives its size. The snapshot must not be released before this
   * settles. Throws GodwitError 'full', 'io', 'denied'; 'state' when the signal was aborted.
   */
  async write(path: string, head: CheckpointHead, memory: MemorySnapshot, options: WriteOptions = {}): Promise<number> {
    const { bytes } = memory;
    if (!(bytes.buffer instanceof SharedArrayBuffer)) {
      const { files, codec } = platform();
      const { flattenFrom, ...writing } = options;
      const blocks = checkpointBlocks(head, memory, codec);
      const written = await files.writeWhole(path, blocks, { replace: true, inOwnFolder: true, ...writing });
      const { signal } = options;
      return flattenFrom === undefined ? written : await flattenFile(flattenFrom, path, signal);
    }
    throwIfCancelled(options.signal, 'Writing was cancelled');
    this.start();
    this.thread?.keepAlive(true);
    const { pageCount } = memory;
    const { flattenFrom } = options;
    const request = { path, head, pageCount, memory: bytes, ...(flattenFrom === undefined ? {} : { flattenFrom }) };
    let job!: number;
    const finished = this.jobs.request(options.onProgress, (id) => {
      job = id;
      this.post({ kind: 'start', job, request });
    });
    // It may fail before it is looked at.
    finished.catch(() => {});
    const cancel = () => this.post({ kind: 'cancel', job });
    options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      await this.postPages({ job, finished }, head, memory);
      return await finished;
    } finally {
      options.signal?.removeEventListener('abort', cancel);
    }
  }

  /** The thread walks no map of the machine: what it is given are numbers. */
  private async postPages({ job, finished }: Writing, head: CheckpointHead, memory: MemorySnapshot): Promise<void> {
    const { clock, timers } = platform();
    let endMs = clock.nowMs() + LOOKUP_MS;
    try {
      for (const batch of pageBatches(memory, head.meta.base !== null, BATCH_PAGES, () => clock.nowMs() > endMs)) {
        if (!this.jobs.has(job)) return;
        this.post({ kind: 'batch', job, batch }, [batch.pages.buffer, batch.frames.buffer]);
        await timers.turn();
        endMs = clock.nowMs() + LOOKUP_MS;
      }
      this.post({ kind: 'end', job });
    } catch (error) {
      this.post({ kind: 'cancel', job });
      await finished.catch(() => {});
      throw error;
    }
  }

  /** Ends the thread; what it is writing fails. The next one to write starts it again. */
  async close(): Promise<void> {
    this.stayUp?.();
    const { thread } = this;
    this.thread = undefined;
    await thread?.terminate();
    this.jobs.rejectAll(new GodwitError('state', 'The thread that writes checkpoints was stopped.'));
  }

  private post(message: ToWriter, transfer: ArrayBuffer[] = []): void {
    this.thread?.post(message, transfer);
  }

  private startThread(): Thread {
    const thread = platform().threads.spawn('checkpoint-writer', { name: 'godwit checkpoints' });
    thread.keepAlive(false);
    thread.onMessage((message) => this.receive(message as FromWriter));
    thread.onEnd((error) => this.failAfterEnd(thread, error));
    return thread;
  }

  private receive(message: FromWriter): void {
    const { job } = message;
    if (message.kind === 'progress') {
      this.jobs.contextOf(job)?.(message.bytes);
      return;
    }
    if (message.kind === 'done') this.jobs.resolve(job, message.bytes);
    else this.jobs.reject(job, fromWireError(message.error));
    if (this.jobs.count > 0) return;
    this.thread?.keepAlive(false);
    this.endWhenIdle();
  }

  private failAfterEnd(thread: Thread, cause: unknown): void {
    if (this.thread !== thread) return;
    this.thread = undefined;
    this.jobs.rejectAll(new GodwitError('io', 'The thread that writes checkpoints has ended.', { cause }));
  }
}

let shared: BackgroundWriter | undefined;

/** The one of this thread: starting another for each checkpoint would cost more than the writing of a small one. */
export function sharedWriter(): BackgroundWriter {
  shared ??= new BackgroundWriter();
  return shared;
}
