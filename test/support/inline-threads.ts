import type { Port, Thread, Threads, ThreadTask, Transferable } from '../../src/platform/threads.ts';
import { runThreadTask } from '../../src/service/thread-tasks.ts';

/** One end of a channel within a thread. What is posted is copied, and comes later, as between threads. */
class InlinePort implements Port {
  peer: InlinePort | undefined;
  private readonly waiting: unknown[] = [];
  private listener: ((message: unknown) => void) | undefined;

  post(message: unknown, transfer: readonly Transferable[] = []): void {
    const copy = structuredClone(message, { transfer: transfer as unknown as ArrayBuffer[] });
    setImmediate(() => this.peer?.hear(copy));
  }

  onMessage(listener: (message: unknown) => void): void {
    this.listener = listener;
    for (const message of this.waiting.splice(0)) listener(message);
  }

  hear(message: unknown): void {
    if (this.listener) this.listener(message);
    else this.waiting.push(message);
  }

  takeNow(): { readonly message: unknown } | undefined {
    return this.waiting.length === 0 ? undefined : { message: this.waiting.shift() };
  }

  onClose(): void {}

  close(): void {
    this.peer = undefined;
  }
}

class InlineThread extends InlinePort implements Thread {
  private onEndValue: ((error: unknown) => void) | undefined;

  constructor(task: ThreadTask, data: unknown) {
    super();
    const parent = new InlinePort();
    this.peer = parent;
    parent.peer = this;
    runThreadTask(task, { parent, data }).catch((error: unknown) => this.onEndValue?.(error));
  }

  onEnd(listener: (error: unknown) => void): void {
    this.onEndValue = listener;
  }

  keepAlive(): void {}

  async terminate(): Promise<void> {
    this.close();
  }
}

/** Threads whose work is done in the thread of the test, on the platform that the test has installed. */
export const inlineThreads: Pick<Threads, 'processors' | 'spawn' | 'lowerPriority'> = {
  processors: 1,
  spawn: (task, { data }) => new InlineThread(task, data),
  lowerPriority: () => {},
};
