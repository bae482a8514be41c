import { availableParallelism, constants, setPriority } from 'node:os';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { Port, RemotePort, SpawnOptions, Thread, Threads, ThreadTask, Transferable } from '../threads.ts';
import { WORKER_URL } from './build-folder.ts';
import { threadOptions } from './thread-options.ts';

/** What the program of a thread (src/node-worker.ts) gets as `workerData`. */
export interface WorkerStart {
  readonly task: ThreadTask;
  readonly data: unknown;
}

/** For `SpawnOptions.smallHeap`. */
export const SMALL_HEAP = { maxYoungGenerationSizeMb: 3 };

function postTo(native: MessagePort | Worker, message: unknown, transfer: readonly Transferable[]): void {
  native.postMessage(message, transfer as unknown as (ArrayBuffer | MessagePort)[]);
}

/** One end of a channel, or a thread's way to the one that started it. */
export class NodePort implements Port {
  private readonly native: MessagePort;

  constructor(native: MessagePort) {
    this.native = native;
  }

  post(message: unknown, transfer: readonly Transferable[] = []): void {
    postTo(this.native, message, transfer);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.native.on('message', listener);
  }

  onClose(listener: () => void): void {
    this.native.on('close', listener);
  }

  takeNow(): { readonly message: unknown } | undefined {
    return receiveMessageOnPort(this.native);
  }

  close(): void {
    this.native.close();
  }
}

class NodeThread implements Thread {
  private readonly worker: Worker;
  private error: unknown;

  constructor(worker: Worker) {
    this.worker = worker;
    worker.on('error', (error) => {
      this.error = error;
    });
  }

  post(message: unknown, transfer: readonly Transferable[] = []): void {
    postTo(this.worker, message, transfer);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.worker.on('message', listener);
  }

  onEnd(listener: (error: unknown) => void): void {
    this.worker.on('exit', () => listener(this.error));
  }

  keepAlive(wanted: boolean): void {
    if (wanted) this.worker.ref();
    else this.worker.unref();
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }
}

function spawn(task: ThreadTask, { name, data, smallHeap = false }: SpawnOptions): Thread {
  return new NodeThread(
    new Worker(WORKER_URL, {
      name,
      ...threadOptions(),
      ...(smallHeap && { resourceLimits: SMALL_HEAP }),
      workerData: { task, data } satisfies WorkerStart,
    }),
  );
}

function lowerPriority(): void {
  // Linux has a priority for each thread.
  if (process.platform !== 'linux') return;
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It is only a courtesy.
  }
}

export const nodeThreads: Threads = {
  get processors() {
    return availableParallelism();
  },
  spawn,
  channel: () => {
    const { port1, port2 } = new MessageChannel();
    return [port1 as unknown as RemotePort, port2 as unknown as RemotePort];
  },
  port: (remote) => new NodePort(remote as unknown as MessagePort),
  lowerPriority,
};
