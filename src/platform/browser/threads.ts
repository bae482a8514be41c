/**
 * Workers and message ports as threads. A browser has no way to ask a port for what has come: messages are put into a
 * queue as they come, and `takeNow` gives what the event loop has brought so far.
 */
import type { Port, RemotePort, SpawnOptions, Thread, Threads, ThreadTask, Transferable } from '../threads.ts';

/** The first message to a worker (src/browser-worker.ts). */
export interface WorkerStart {
  readonly task: ThreadTask;
  readonly data: unknown;
}

/** The last one from a worker that ends by itself, which its parent would not notice. */
const ENDED = 'godwit thread ended';

type Native = Pick<MessagePort, 'postMessage' | 'addEventListener'>;

/** Messages in their order, for a listener or for who asks. */
class Inbox {
  private readonly waiting: unknown[] = [];
  private listener: ((message: unknown) => void) | undefined;

  put(message: unknown): void {
    if (this.listener) this.listener(message);
    else this.waiting.push(message);
  }

  listen(listener: (message: unknown) => void): void {
    this.listener = listener;
    for (const message of this.waiting.splice(0)) listener(message);
  }

  take(): { readonly message: unknown } | undefined {
    return this.waiting.length > 0 ? { message: this.waiting.shift() } : undefined;
  }
}

function post(native: Native, message: unknown, transfer: readonly Transferable[]): void {
  native.postMessage(message, transfer as unknown as globalThis.Transferable[]);
}

/** One end of a channel. */
class BrowserPort implements Port {
  private readonly native: MessagePort;
  private readonly inbox = new Inbox();
  private readonly closeListeners: (() => void)[] = [];

  constructor(native: MessagePort) {
    this.native = native;
    native.addEventListener('message', ({ data }) => this.inbox.put(data));
    native.addEventListener('close', () => this.tellClosed());
    native.start();
  }

  private tellClosed(): void {
    for (const listener of this.closeListeners.splice(0)) listener();
  }

  post(message: unknown, transfer: readonly Transferable[] = []): void {
    post(this.native, message, transfer);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.inbox.listen(listener);
  }

  onClose(listener: () => void): void {
    this.closeListeners.push(listener);
  }

  takeNow(): { readonly message: unknown } | undefined {
    return this.inbox.take();
  }

  close(): void {
    this.native.close();
    this.tellClosed();
  }
}

/** A thread's way to the one that started it. */
export class ParentPort implements Port {
  private readonly scope: DedicatedWorkerGlobalScope;
  private readonly inbox = new Inbox();

  constructor(scope: DedicatedWorkerGlobalScope) {
    this.scope = scope;
    scope.addEventListener('message', ({ data }) => this.inbox.put(data));
  }

  post(message: unknown, transfer: readonly Transferable[] = []): void {
    post(this.scope, message, transfer);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.inbox.listen(listener);
  }

  /** A worker ends with the page or the worker that made it, and hears nothing of that. */
  onClose(): void {}

  takeNow(): { readonly message: unknown } | undefined {
    return this.inbox.take();
  }

  close(): void {
    this.scope.postMessage(ENDED);
    this.scope.close();
  }
}

class BrowserThread implements Thread {
  private readonly worker: Worker;
  private readonly inbox = new Inbox();
  private readonly endListeners: ((error: unknown) => void)[] = [];
  private ended = false;

  constructor(worker: Worker) {
    this.worker = worker;
    worker.addEventListener('message', ({ data }) => {
      if (data === ENDED) this.end(undefined);
      else this.inbox.put(data);
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      worker.terminate();
      this.end(event.error ?? new Error(event.message));
    });
  }

  private end(error: unknown): void {
    if (this.ended) return;
    this.ended = true;
    for (const listener of this.endListeners.splice(0)) listener(error);
  }

  post(message: unknown, transfer: readonly Transferable[] = []): void {
    post(this.worker, message, transfer);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.inbox.listen(listener);
  }

  onEnd(listener: (error: unknown) => void): void {
    this.endListeners.push(listener);
  }

  /** A page lives as long as its tab. */
  keepAlive(): void {}

  async terminate(): Promise<void> {
    this.worker.terminate();
    this.end(undefined);
  }
}

function spawn(task: ThreadTask, { name, data }: SpawnOptions): Thread {
  // Written out, so that bundlers see that there is a worker.
  const worker = new Worker(new URL('../../browser-worker.js', import.meta.url), { type: 'module', name });
  const thread = new BrowserThread(worker);
  thread.post({ task, data } satisfies WorkerStart);
  return thread;
}

export const browserThreads: Threads = {
  get processors() {
    return navigator.hardwareConcurrency;
  },
  spawn,
  channel: () => {
    const { port1, port2 } = new MessageChannel();
    return [port1, port2] as unknown as readonly [RemotePort, RemotePort];
  },
  port: (remote) => new BrowserPort(remote as unknown as MessagePort),
  lowerPriority: () => {},
};
