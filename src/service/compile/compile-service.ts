import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { threadOptions } from '../../platform/node/thread-options.ts';

/** A machine's way to the compiling thread. */
export interface CompilerConnection {
  /** For a `ThreadCompiler`, here or in another thread. */
  readonly port: MessagePort;
  /** The machine is gone. The thread ends some time after the last one. */
  release(): void;
}

/** Threads run JavaScript: from TypeScript sources (in tests) the built thread is used. */
function workerUrl(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/service/compile/' : './';
  return new URL(`${built}compile-worker.js`, import.meta.url);
}

/** Machines come one after the other, too: they find the thread there, and what it has compiled. */
const LINGER_MS = 60_000;

/** One thread that compiles regions for all machines of this one. It keeps no process alive. */
class CompileService {
  private worker: Worker | undefined;
  private lingering: NodeJS.Timeout | undefined;
  private machines = 0;

  connect(): CompilerConnection {
    const worker = this.running();
    const { port1, port2 } = new MessageChannel();
    worker.postMessage(port2, [port2]);
    this.machines++;
    clearTimeout(this.lingering);
    let released = false;
    return {
      port: port1,
      release: () => {
        if (released) return;
        released = true;
        if (--this.machines === 0) this.lingering = setTimeout(() => this.end(), LINGER_MS).unref();
      },
    };
  }

  private running(): Worker {
    if (this.worker) return this.worker;
    const worker = new Worker(workerUrl(), {
      name: 'godwit compiler',
      ...threadOptions(),
      resourceLimits: { maxYoungGenerationSizeMb: 3 },
    });
    worker.unref();
    // Machines notice by their ports, and go on without it.
    worker.on('error', () => this.forget(worker));
    worker.on('exit', () => this.forget(worker));
    this.worker = worker;
    return worker;
  }

  private forget(worker: Worker): void {
    if (this.worker === worker) this.worker = undefined;
  }

  private end(): void {
    void this.worker?.terminate();
    this.worker = undefined;
  }
}

export const compileService = new CompileService();
