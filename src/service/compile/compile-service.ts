import { platform } from '../../platform/platform.ts';
import type { RemotePort, Thread } from '../../platform/threads.ts';

/** A machine's way to the compiling thread. */
export interface CompilerConnection {
  /** For a `ThreadCompiler`, here or in another thread. */
  readonly port: RemotePort;
  /** The machine is gone. The thread ends some time after the last one. */
  release(): void;
}

/** Machines come one after the other, too: they find the thread there, and what it has compiled. */
const LINGER_MS = 60_000;

/** One thread that compiles regions for all machines of this one. It keeps no process alive. */
class CompileService {
  private thread: Thread | undefined;
  private cancelEnd: (() => void) | undefined;
  private machines = 0;

  connect(): CompilerConnection {
    const thread = this.runningThread();
    const [port, theirs] = platform().threads.channel();
    thread.post(theirs, [theirs]);
    this.machines++;
    this.cancelEnd?.();
    let released = false;
    return {
      port,
      release: () => {
        if (released) return;
        released = true;
        if (--this.machines === 0) this.cancelEnd = platform().timers.later(LINGER_MS, () => this.end());
      },
    };
  }

  private runningThread(): Thread {
    if (this.thread) return this.thread;
    const thread = platform().threads.spawn('compiler', { name: 'godwit compiler', smallHeap: true });
    thread.keepAlive(false);
    // Machines notice by their ports, and go on without it.
    thread.onEnd(() => this.forget(thread));
    this.thread = thread;
    return thread;
  }

  private forget(thread: Thread): void {
    if (this.thread === thread) this.thread = undefined;
  }

  private end(): void {
    void this.thread?.terminate();
    this.thread = undefined;
  }
}

export const compileService = new CompileService();
