/** The thread that writes checkpoints while machines go on. */
import '../../../platform/node/install.ts';
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { toWireError } from '../../../api/wire-error.ts';
import { addBatch, CheckpointWriter, type PageBatch } from '../../../checkpoint/write.ts';
import { nodeCodec } from '../../../platform/node/codec.ts';
import { writeWholeFile } from '../../../platform/node/whole-file.ts';
import { flattenFile } from './flatten.ts';
import type { FromWriter, ToWriter, WriteRequest } from './writer-protocol.ts';

const port = parentPort!;
const jobs = new Map<number, Job>();

/** Batches that have come and are not written yet. */
class Job {
  readonly abort = new AbortController();
  private readonly waiting: (PageBatch | undefined)[] = [];
  private wake: (() => void) | undefined;

  /** undefined: there are no more. */
  put(batch: PageBatch | undefined): void {
    this.waiting.push(batch);
    this.wake?.();
  }

  cancel(): void {
    this.abort.abort();
    this.put(undefined);
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

function send(message: FromWriter): void {
  port.postMessage(message);
}

async function* blocksOf(job: Job, { head, memory, pageCount }: WriteRequest): AsyncGenerator<Uint8Array> {
  const writer = new CheckpointWriter(nodeCodec);
  yield* writer.head(head);
  const pages = writer.pages(pageCount, head.meta.base !== null);
  for await (const batch of job.batches()) yield* addBatch(pages, memory, batch);
  yield* pages.end();
  yield writer.finish();
}

async function run(number: number, job: Job, request: WriteRequest): Promise<void> {
  const { path, flattenFrom } = request;
  const { signal } = job.abort;
  const onProgress = (bytes: number) => send({ kind: 'progress', job: number, bytes });
  try {
    let bytes = await writeWholeFile(path, blocksOf(job, request), { replace: true, onProgress, signal });
    if (flattenFrom !== undefined) bytes = await flattenFile(flattenFrom, path, signal);
    send({ kind: 'done', job: number, bytes });
  } catch (error) {
    send({ kind: 'failed', job: number, error: toWireError(error) });
  } finally {
    jobs.delete(number);
  }
}

function receive(message: ToWriter): void {
  if (message.kind === 'start') {
    const job = new Job();
    jobs.set(message.job, job);
    void run(message.job, job, message.request);
    return;
  }
  const job = jobs.get(message.job);
  if (message.kind === 'batch') job?.put(message.batch);
  else if (message.kind === 'end') job?.put(undefined);
  else job?.cancel();
}

// Linux has a priority for each thread: where processors are few, the machine goes first.
if (process.platform === 'linux') {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It is only a courtesy.
  }
}
port.on('message', receive);
