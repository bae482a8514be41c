/** The thread that writes checkpoints while machines go on. */
import { toWireError } from '../../../api/wire-error.ts';
import { addBatch, CheckpointWriter, type PageBatch } from '../../../checkpoint/write.ts';
import { platform } from '../../../platform/platform.ts';
import type { Port, ThreadStart } from '../../../platform/threads.ts';
import { flattenFile } from './flatten.ts';
import type { FromWriter, ToWriter, WriteRequest } from './writer-protocol.ts';

/** Batches that have come and are not written yet. */
class Job {
  readonly abort = new AbortController();
  private readonly waiting: (PageBatch | undefined)[] = [];
  private wake: (() => void) | undefined;

  /** undefined: there are no more. */
  putBatch(batch: PageBatch | undefined): void {
    this.waiting.push(batch);
    this.wake?.();
  }

  cancel(): void {
    this.abort.abort();
    this.putBatch(undefined);
  }

  async *batches(): AsyncGenerator<PageBatch> {
    for (;;) {
      if (this.waiting.length === 0) {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
      const batch = this.waiting.shift();
      if (batch === undefined) return;
      yield batch;
    }
  }
}

async function* blocksOf(job: Job, { head, memory, pageCount }: WriteRequest): AsyncGenerator<Uint8Array> {
  const writer = new CheckpointWriter(platform().codec);
  yield* writer.head(head);
  const pages = writer.pages(pageCount, head.meta.base !== null);
  for await (const batch of job.batches()) yield* addBatch(pages, memory, batch);
  yield* pages.end();
  yield writer.finish();
}

class WriterThread {
  private readonly jobs = new Map<number, Job>();
  private readonly parent: Port;

  constructor(parent: Port) {
    this.parent = parent;
  }

  receive(message: ToWriter): void {
    if (message.kind === 'start') {
      const job = new Job();
      this.jobs.set(message.job, job);
      void this.writeFile(message.job, job, message.request);
      return;
    }
    const job = this.jobs.get(message.job);
    if (message.kind === 'batch') job?.putBatch(message.batch);
    else if (message.kind === 'end') job?.putBatch(undefined);
    else job?.cancel();
  }

  private async writeFile(number: number, job: Job, request: WriteRequest): Promise<void> {
    const { path, flattenFrom } = request;
    const { signal } = job.abort;
    const onProgress = (bytes: number) => this.send({ kind: 'progress', job: number, bytes });
    try {
      const { files } = platform();
      const options = { replace: true, inOwnFolder: true, onProgress, signal };
      let bytes = await files.writeWhole(path, blocksOf(job, request), options);
      if (flattenFrom !== undefined) bytes = await flattenFile(flattenFrom, path, signal);
      this.send({ kind: 'done', job: number, bytes });
    } catch (error) {
      this.send({ kind: 'failed', job: number, error: toWireError(error) });
    } finally {
      this.jobs.delete(number);
    }
  }

  private send(message: FromWriter): void {
    this.parent.post(message);
  }
}

/** Begins the thread's work. */
export function serve({ parent }: Pick<ThreadStart, 'parent'>): void {
  // Where processors are few, the machine goes first.
  platform().threads.lowerPriority();
  const writer = new WriterThread(parent);
  parent.onMessage((message) => writer.receive(message as ToWriter));
}
