import { type ResourceLimits, Worker } from 'node:worker_threads';
import { threadOptions } from '../../platform/node/thread-options.ts';
import type { WarmUp } from './warm-up.ts';

/** A restored machine has the processor for itself for about as long. */
const DELAY_MS = 100;
/** A thread that waits for a machine ends when none came for so long. */
const WAIT_MS = 60_000;

/** A machine has little in its thread's own heap, and what it has it keeps. */
export const MACHINE_THREAD_LIMITS: ResourceLimits = { maxYoungGenerationSizeMb: 3 };

/** Threads run JavaScript: from TypeScript sources (in tests) the built thread is used. */
function workerUrl(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/service/machine/' : '../machine/';
  return new URL(`${built}machine-worker.js`, import.meta.url);
}

/**
 * Threads for machines. One may be started ahead, so that the next machine need not wait until its thread has loaded all its modules,
 * which takes longer than restoring a machine, and V8 has compiled what it does first. Whatever waits keeps no process alive.
 */
class PrewarmedWorker {
  private worker: Worker | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** The thread that waits, or a new one. */
  take(): Worker {
    const { worker } = this;
    if (!worker) return this.make();
    this.forget(worker);
    worker.ref();
    return worker;
  }

  /** Starts one for the next machine in a moment, if none waits: not now, when the last one has much to do. */
  prepare(warmUp: WarmUp): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.worker ??= this.makeWaiting(warmUp);
      this.timer = setTimeout(() => this.end(), WAIT_MS).unref();
    }, DELAY_MS).unref();
  }

  private make(warmUp?: WarmUp): Worker {
    return new Worker(workerUrl(), {
      name: 'godwit machine',
      ...threadOptions(),
      resourceLimits: MACHINE_THREAD_LIMITS,
      workerData: warmUp,
    });
  }

  private makeWaiting(warmUp: WarmUp): Worker {
    const worker = this.make(warmUp);
    worker.unref();
    const lost = () => this.forget(worker);
    worker.once('error', lost);
    worker.once('exit', lost);
    return worker;
  }

  private end(): void {
    const { worker } = this;
    this.worker = undefined;
    void worker?.terminate();
  }

  private forget(worker: Worker): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    clearTimeout(this.timer);
  }
}

export const prewarmedWorker = new PrewarmedWorker();
