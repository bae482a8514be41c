import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { fromWireError } from '../../../api/wire-error.ts';
import { checkpointBlocks, pageBatches } from '../../../checkpoint/page-batches.ts';
import type { CheckpointHead } from '../../../checkpoint/write.ts';
import { GodwitError } from '../../../common/errors.ts';
import type { MemorySnapshot } from '../../../memory/snapshot.ts';
import { nodeCodec } from '../../../platform/node/codec.ts';
import { threadOptions } from '../../../platform/node/thread-options.ts';
import { writeWholeFile } from '../../../platform/node/whole-file.ts';
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

interface PendingJob {
  readonly onProgress: ((bytes: number) => void) | undefined;
  readonly resolve: (bytes: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes checkpoints in a thread of its own, several at once if need be. The thread starts with the first, or with `start`. When it
 * has nothing to do it does not keep the process alive, and ends after a while.
 */
export class BackgroundWriter {
  private worker: Worker | undefined;
  private readonly jobs = new Map<number, PendingJob>();
  private nextJob = 1;
  private idle: NodeJS.Timeout | undefined;

  /** Starts the thread, so that the first checkpoint need not wait for it. */
  start(): void {
    this.worker ??= this.makeWorker();
    this.endWhenIdle();
  }

  private endWhenIdle(): void {
    clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      if (this.jobs.size === 0) void this.close();
    }, IDLE_MS).unref();
  }

  /**
   * Writes a file, complete or not at all, and gives its size. The snapshot must not be released before this settles. Throws
   * GodwitError 'full', 'io', 'denied'; 'state' when the signal was aborted.
   */
  async write(path: string, head: CheckpointHead, memory: MemorySnapshot, options: WriteOptions = {}): Promise<number> {
    const { bytes } = memory;
    if (!(bytes.buffer instanceof SharedArrayBuffer)) {
      const written = await writeWholeFile(path, checkpointBlocks(head, memory, nodeCodec), {
        replace: true,
        ...options,
      });
      const { flattenFrom, signal } = options;
      return flattenFrom === undefined ? written : await flattenFile(flattenFrom, path, signal);
    }
    if (options.signal?.aborted) throw new GodwitError('state', 'Writing was cancelled.');
    const job = this.nextJob++;
    const finished = this.expect(job, options.onProgress);
    const cancel = () => this.post({ kind: 'cancel', job });
    options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      const { pageCount } = memory;
      const { flattenFrom } = options;
      const request = { path, head, pageCount, memory: bytes, ...(flattenFrom === undefined ? {} : { flattenFrom }) };
      this.post({ kind: 'start', job, request });
      await this.feed(job, head, memory);
      return await finished;
    } finally {
      options.signal?.removeEventListener('abort', cancel);
    }
  }

  /** The thread walks no map of the machine: what it is given are numbers. */
  private async feed(job: number, head: CheckpointHead, memory: MemorySnapshot): Promise<void> {
    let endMs = performance.now() + LOOKUP_MS;
    try {
      for (const batch of pageBatches(memory, head.meta.base !== null, BATCH_PAGES, () => performance.now() > endMs)) {
        if (!this.jobs.has(job)) return;
        this.post({ kind: 'batch', job, batch }, [batch.pages.buffer, batch.frames.buffer]);
        await nextTurn();
        endMs = performance.now() + LOOKUP_MS;
      }
      this.post({ kind: 'end', job });
    } catch (error) {
      this.post({ kind: 'cancel', job });
      await this.settled(job);
      throw error;
    }
  }

  /** Ends the thread; what it is writing fails. The next one to write starts it again. */
  async close(): Promise<void> {
    clearTimeout(this.idle);
    const { worker } = this;
    this.worker = undefined;
    await worker?.terminate();
    this.failAll(new GodwitError('state', 'The thread that writes checkpoints was stopped.'));
  }

  private expect(job: number, onProgress: ((bytes: number) => void) | undefined): Promise<number> {
    const finished = new Promise<number>((resolve, reject) => {
      this.jobs.set(job, { onProgress, resolve, reject });
    });
    // It may fail before it is looked at.
    finished.catch(() => {});
    this.start();
    this.worker?.ref();
    return finished;
  }

  private async settled(job: number): Promise<void> {
    while (this.jobs.has(job)) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  private post(message: ToWriter, transfer: ArrayBuffer[] = []): void {
    this.worker?.postMessage(message, transfer);
  }

  private makeWorker(): Worker {
    const worker = new Worker(threadUrl(), { name: 'godwit checkpoints', ...threadOptions() });
    worker.unref();
    worker.on('message', (message: FromWriter) => this.receive(message));
    worker.on('error', (error) => this.lose(worker, error));
    worker.on('exit', () => this.lose(worker));
    return worker;
  }

  private receive(message: FromWriter): void {
    const job = this.jobs.get(message.job);
    if (message.kind === 'progress') {
      job?.onProgress?.(message.bytes);
      return;
    }
    this.jobs.delete(message.job);
    if (this.jobs.size === 0) {
      this.worker?.unref();
      this.endWhenIdle();
    }
    if (message.kind === 'done') job?.resolve(message.bytes);
    else job?.reject(fromWireError(message.error));
  }

  private lose(worker: Worker, cause?: unknown): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    this.failAll(new GodwitError('io', 'The thread that writes checkpoints has ended.', { cause }));
  }

  private failAll(error: GodwitError): void {
    for (const { reject } of this.jobs.values()) reject(error);
    this.jobs.clear();
  }
}

let shared: BackgroundWriter | undefined;

/** The one of this thread: starting another for each checkpoint would cost more than the writing of a small one. */
export function sharedWriter(): BackgroundWriter {
  shared ??= new BackgroundWriter();
  return shared;
}

/** Threads run JavaScript: from TypeScript sources (in tests) the built thread is used. */
function threadUrl(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../../../dist/service/checkpoint/store/' : './';
  return new URL(`${built}writer-thread.js`, import.meta.url);
}
