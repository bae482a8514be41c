import { platform } from '../../platform/platform.ts';
import type { Thread } from '../../platform/threads.ts';
import type { WarmUp } from './warm-up.ts';

/** A restored machine has the processor for itself for about as long. */
const DELAY_MS = 100;
/** A thread that waits for a machine ends when none came for so long. */
const WAIT_MS = 60_000;

function spawnThread(warmUp?: WarmUp): Thread {
  return platform().threads.spawn('machine', { name: 'godwit machine', data: warmUp, smallHeap: true });
}

/**
 * Threads for machines. One may be started ahead, so that the next machine need not wait until its thread has loaded
 * all its modules, which takes longer than restoring a machine, and V8 has compiled what it does first. Whatever waits
 * keeps no process alive.
 */
class PrewarmedThread {
  private thread: Thread | undefined;
  private cancelTimer: (() => void) | undefined;

  /** The thread that waits, or a new one. */
  take(): Thread {
    const { thread } = this;
    if (!thread) return spawnThread();
    this.forget(thread);
    thread.keepAlive(true);
    return thread;
  }

  /** Starts one for the next machine in a moment, if none waits: not now, when the last one has much to do. */
  prepare(warmUp: WarmUp): void {
    const { timers } = platform();
    this.cancelTimer?.();
    this.cancelTimer = timers.later(DELAY_MS, () => {
      this.thread ??= this.spawnWaiting(warmUp);
      this.cancelTimer = timers.later(WAIT_MS, () => this.end());
    });
  }

  private spawnWaiting(warmUp: WarmUp): Thread {
    const thread = spawnThread(warmUp);
    thread.keepAlive(false);
    thread.onEnd(() => this.forget(thread));
    return thread;
  }

  private end(): void {
    const { thread } = this;
    this.thread = undefined;
    void thread?.terminate();
  }

  private forget(thread: Thread): void {
    if (this.thread !== thread) return;
    this.thread = undefined;
    this.cancelTimer?.();
  }
}

export const prewarmedThread = new PrewarmedThread();
