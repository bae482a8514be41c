import type { Worker } from 'node:worker_threads';
import type { FromMachine, ToMachine } from '../../api/actions.ts';
import type { MachineLink } from '../../api/link.ts';
import type { MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import { fromWireError, toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import { compilesApart } from '../../machine/engine.ts';
import { compileService } from './compile/compile-service.ts';
import { type Envelope, FIRST_MACHINE } from './machine-host.ts';
import type { ThreadData } from './machine-worker.ts';
import { spareThread } from './spare-thread.ts';

/** What a handle in this thread does with what its machine says. */
export interface Receiver {
  receive(message: FromMachine): void;
  fail(error: GodwitError): void;
}

/** A thread of machines, seen from the process's main thread. */
export class MachineThread {
  private readonly worker: Worker;
  private readonly receivers = new Map<number, Receiver>();
  /** The first machine can be started. */
  readonly ready: Promise<void>;

  constructor(configuration: MachineConfiguration | RestoreConfiguration, interpreter: WebAssembly.Module) {
    const compiler = compilesApart(configuration.translation) ? compileService.connect() : undefined;
    const data: ThreadData = { configuration, interpreter, ...(compiler && { compiler: compiler.port }) };
    this.worker = spareThread.take();
    this.worker.postMessage(data, compiler ? [compiler.port] : []);
    this.worker.on('exit', () => compiler?.release());
    this.ready = new Promise((resolve, reject) => {
      this.worker.on('message', ({ machine, message }: Envelope<FromMachine>) => {
        if (message.kind === 'ready') resolve();
        if (message.kind === 'failed' && machine === FIRST_MACHINE) reject(fromWireError(message.error));
        this.deliver(machine, message);
      });
      this.worker.on('exit', () => reject(new GodwitError('state', "The machine's thread ended unexpectedly.")));
    });
    this.ready.catch(() => {});
    this.worker.on('error', (error) => this.failAll(fromWireError(toWireError(error))));
    this.worker.on('exit', () => this.failAll(new GodwitError('state', "The machine's thread ended unexpectedly.")));
  }

  private deliver(machine: number, message: FromMachine): void {
    const receiver = this.receivers.get(machine);
    if (message.kind === 'ended' || message.kind === 'failed') this.receivers.delete(machine);
    receiver?.receive(message);
  }

  private failAll(error: GodwitError): void {
    for (const receiver of this.receivers.values()) receiver.fail(error);
    this.receivers.clear();
  }

  /** To be called before the machine says anything. */
  attach(machine: number, receiver: Receiver): void {
    this.receivers.set(machine, receiver);
  }

  link(machine: number): MachineLink {
    return {
      post: (message: ToMachine) => this.worker.postMessage({ machine, message } satisfies Envelope<ToMachine>),
      terminate: async () => {
        this.receivers.delete(machine);
        // The thread goes with the last of its machines; the others are not to suffer.
        if (this.receivers.size === 0) await this.worker.terminate();
      },
    };
  }
}
