import type { Worker } from 'node:worker_threads';
import type { FromMachine, ToMachine } from '../../api/actions.ts';
import { fromWireError, toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import { compileService } from '../compile/compile-service.ts';
import { prewarmedWorker } from '../warm/prewarmed-worker.ts';
import type { FromHost, ThreadData, ToHost } from './host-messages.ts';
import { FIRST_MACHINE } from './machine-host.ts';

/** What a handle in this thread does with what its machine says. */
export interface Receiver {
  receive(message: FromMachine): void;
  fail(error: GodwitError): void;
}

export interface ThreadOptions extends Pick<ThreadData, 'task' | 'interpreter'> {
  /** Regions are compiled in another thread. */
  readonly compilesApart: boolean;
}

/** What a fork group hears of its threads. */
export interface ThreadEvents {
  /** A machine has ended or failed. `deliver` tells its handle so. */
  machineEnded(deliver: () => void): void;
  shutDown(): void;
  /** It has ended, after its machines' handles were told that they failed. */
  exited(): void;
}

export const LOST = "The machine's thread ended unexpectedly.";

/** A thread of machines, seen from the process's main thread. */
export class MachineThread {
  private readonly worker: Worker;
  private readonly events: ThreadEvents;
  private readonly receivers = new Map<number, Receiver>();
  /** What forks said that have no handle yet, or only for less than a turn of the event loop. */
  private readonly unheard = new Map<number, FromMachine[]>();
  /** Machines that have had a handle. */
  private readonly known = new Set<number>();
  /** Forks that are on their way to it. */
  private coming = 0;
  /** Its first machine can be started, or forks can be put there. */
  readonly ready: Promise<void>;

  constructor({ task, interpreter, compilesApart }: ThreadOptions, events: ThreadEvents) {
    this.events = events;
    const compiler = compilesApart ? compileService.connect() : undefined;
    const data: ThreadData = { task, interpreter, ...(compiler && { compiler: compiler.port }) };
    this.worker = prewarmedWorker.take();
    const transfer = [...('first' in task ? [task.first] : []), ...(compiler ? [compiler.port] : [])];
    this.worker.postMessage(data, transfer);
    this.worker.on('exit', () => compiler?.release());
    this.ready = new Promise((resolve, reject) => {
      this.worker.on('message', (message: FromHost) => this.receive(message, resolve, reject));
      this.worker.on('exit', () => reject(new GodwitError('state', LOST)));
    });
    this.ready.catch(() => {});
    this.worker.on('error', (error) => this.failAll(fromWireError(toWireError(error))));
    this.worker.on('exit', () => {
      this.failAll(new GodwitError('state', LOST));
      this.events.exited();
    });
  }

  private receive(message: FromHost, ready: () => void, failed: (error: GodwitError) => void): void {
    if ('machine' in message) {
      if (message.message.kind === 'ready') ready();
      if (message.message.kind === 'failed' && message.machine === FIRST_MACHINE)
        failed(fromWireError(message.message.error));
      this.deliver(message.machine, message.message);
      return;
    }
    if (message.kind === 'joined') ready();
    else if (message.kind === 'failed') failed(fromWireError(message.error));
    else this.events.shutDown();
  }

  private deliver(machine: number, message: FromMachine): void {
    const before = this.unheard.get(machine);
    if (before) before.push(message);
    else if (!this.known.has(machine)) this.unheard.set(machine, [message]);
    else this.deliverTo(machine, message);
  }

  private deliverTo(machine: number, message: FromMachine): void {
    const receiver = this.receivers.get(machine);
    if (!receiver) return;
    if (message.kind !== 'ended' && message.kind !== 'failed') {
      receiver.receive(message);
      return;
    }
    this.receivers.delete(machine);
    this.events.machineEnded(() => receiver.receive(message));
  }

  private failAll(error: GodwitError): void {
    for (const machine of this.receivers.keys()) this.tellUnheard(machine);
    const all = [...this.receivers.values()];
    this.receivers.clear();
    for (const receiver of all) receiver.fail(error);
  }

  /** What the machine has said already is heard when those who are given the handle had the occasion to read its console. */
  attach(machine: number, receiver: Receiver): void {
    this.receivers.set(machine, receiver);
    this.known.add(machine);
    if (this.unheard.has(machine)) setImmediate(() => this.tellUnheard(machine));
  }

  private tellUnheard(machine: number): void {
    const messages = this.unheard.get(machine) ?? [];
    this.unheard.delete(machine);
    for (const message of messages) this.deliverTo(machine, message);
  }

  /** Nobody wants to hear of the machine any more. */
  detach(machine: number): void {
    this.receivers.delete(machine);
  }

  /** How many machines it has, or will have. */
  get load(): number {
    return this.receivers.size + this.coming;
  }

  /** Counts a fork as the thread's while it is made. */
  async expecting<T>(fork: Promise<T>): Promise<T> {
    this.coming++;
    try {
      return await fork;
    } finally {
      this.coming--;
    }
  }

  send(machine: number, message: ToMachine): void {
    this.post({ machine, message });
  }

  post(message: ToHost): void {
    this.worker.postMessage(message, 'port' in message ? [message.port] : []);
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }
}
