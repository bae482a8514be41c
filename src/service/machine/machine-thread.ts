import type { FromMachine, ToMachine } from '../../api/actions.ts';
import { fromWireError, toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import { platform } from '../../platform/platform.ts';
import type { Thread } from '../../platform/threads.ts';
import { compileService } from '../compile/compile-service.ts';
import { prewarmedThread } from '../warm/prewarmed-thread.ts';
import { FIRST_MACHINE } from './thread-machines.ts';
import type { FromThread, ThreadRequest, ToThread } from './thread-messages.ts';

/** What a handle in this thread does with what its machine says. */
export interface Receiver {
  receive(message: FromMachine): void;
  fail(error: GodwitError): void;
}

export interface ThreadOptions extends Pick<ThreadRequest, 'task' | 'interpreter'> {
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
  private readonly thread: Thread;
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
    const request: ThreadRequest = { task, interpreter, ...(compiler && { compiler: compiler.port }) };
    this.thread = prewarmedThread.take();
    const transfer = [...('first' in task ? [task.first] : []), ...(compiler ? [compiler.port] : [])];
    this.thread.post(request, transfer);
    this.ready = new Promise((resolve, reject) => {
      this.thread.onMessage((message) => this.receive(message as FromThread, resolve, reject));
      this.thread.onEnd((cause) => {
        compiler?.release();
        const error = cause === undefined ? new GodwitError('state', LOST) : fromWireError(toWireError(cause));
        reject(error);
        this.failAll(error);
        this.events.exited();
      });
    });
    this.ready.catch(() => {});
  }

  private receive(message: FromThread, ready: () => void, failed: (error: GodwitError) => void): void {
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

  /**
   * What the machine has said already is heard when those who are given the handle had the occasion to read its
   * console.
   */
  attach(machine: number, receiver: Receiver): void {
    this.receivers.set(machine, receiver);
    this.known.add(machine);
    if (this.unheard.has(machine)) void this.tellUnheardLater(machine);
  }

  private async tellUnheardLater(machine: number): Promise<void> {
    await platform().timers.turn();
    this.tellUnheard(machine);
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

  post(message: ToThread): void {
    this.thread.post(message, 'port' in message ? [message.port] : []);
  }

  async terminate(): Promise<void> {
    await this.thread.terminate();
  }
}
