import type { FromMachine } from '../../api/actions.ts';
import type { MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import type { RegionCompiler } from '../../execute/jit/compiler.ts';
import { joinEngine } from '../../machine/core-engine.ts';
import type { Engine } from '../../machine/engine.ts';
import { MemoryLock } from '../../memory/lock.ts';
import { FrameSnapshot } from '../../memory/snapshot.ts';
import { platform } from '../../platform/platform.ts';
import { receive } from './actions.ts';
import { ForkOrigin } from './fork-origin.ts';
import { beginFork, forkMachine, openMachine, restoreMachine } from './open-machine.ts';
import { Peers } from './peers.ts';
import type { RunningMachine } from './running-machine.ts';
import type { Envelope, ForkRequest, Joining, ToThread } from './thread-messages.ts';

export type SendEnvelope = (envelope: Envelope<FromMachine>, transfer: ArrayBuffer[]) => void;

/** Number of the machine that a fork group begins with, and of its thread. */
export const FIRST_MACHINE = 0;
export const FIRST_THREAD = 0;

/**
 * The machines of one thread: one that was configured, and forks, which share its memory and may be in other threads of
 * its fork group. Each runs in slices between which the others of the thread get their turn; what goes wrong in one
 * ends that one.
 */
export class ThreadMachines {
  /** Number of the thread in its fork group. */
  readonly thread: number;
  /** For the memory that they share. */
  readonly compiler: RegionCompiler;
  private readonly machines = new Map<number, RunningMachine>();
  /** Machines that have something open. */
  private readonly users = new Set<RunningMachine>();
  private leftovers: (() => Promise<void> | void)[] = [];
  private readonly post: SendEnvelope;
  /** The last machine is gone. */
  private readonly empty: () => void;
  private readonly peers = new Peers((request) => this.adopt(request));
  private lock: MemoryLock | undefined;
  private engine: Engine | undefined;
  private origin: ForkOrigin | undefined;
  private nextNumber = FIRST_MACHINE;
  /** Called when the last machine of the thread is gone. */
  private readonly whenLast: (() => void)[] = [];

  constructor(post: SendEnvelope, compiler: RegionCompiler, empty: () => void, thread: number = FIRST_THREAD) {
    this.compiler = compiler;
    this.post = post;
    this.empty = empty;
    this.thread = thread;
  }

  /** Throws GodwitError, with nothing left open. */
  async open(configuration: MachineConfiguration | RestoreConfiguration): Promise<void> {
    await this.add((send) =>
      'checkpoint' in configuration
        ? restoreMachine(configuration, send, this)
        : openMachine(configuration, send, this),
    );
  }

  /** Of the first machine: what its forks run in, and what they go back to. */
  setOrigin(engine: Engine, origin: ForkOrigin): void {
    this.engine ??= engine;
    this.origin ??= origin;
  }

  /**
   * Waits for the first thread's word, and is ready for forks then. Throws GodwitError when what the fork group goes
   * back to is gone.
   */
  async join({ lock, first }: Joining): Promise<void> {
    try {
      const { memory, origin } = await this.peers.join(FIRST_THREAD, first);
      this.lock = new MemoryLock(lock, this.thread);
      const { compiler } = this;
      const { translation } = origin.configuration;
      const { collectGarbage } = platform();
      this.engine = await joinEngine({ memory, lock: this.lock }, { translation, compiler, collectGarbage });
      this.origin = await ForkOrigin.open(origin);
    } catch (error) {
      this.peers.close();
      throw error;
    }
  }

  /** Gives the machine that `make` makes its number. */
  async add(
    make: (send: (message: FromMachine, transfer?: ArrayBuffer[]) => void) => Promise<RunningMachine>,
  ): Promise<number> {
    const machine = this.nextNumber++;
    const send = (message: FromMachine, transfer: ArrayBuffer[] = []): void => {
      this.post({ machine, message }, transfer);
      if (message.kind === 'ended' || message.kind === 'failed') this.remove(machine);
    };
    this.machines.set(machine, await make(send));
    return machine;
  }

  /** Makes a machine of a snapshot, which is released. Gives its number in this thread. */
  async fork(memory: FrameSnapshot, request: Omit<ForkRequest, 'memory'>): Promise<number> {
    const { engine, origin } = this;
    try {
      const seed = { engine: engine!, origin: origin!, memory, ...request };
      const machine = await this.add((send) => forkMachine(seed, send, this));
      beginFork(this.machines.get(machine)!, request);
      return machine;
    } finally {
      memory.release();
    }
  }

  /** Has another thread of the fork group do that. */
  forkElsewhere(thread: number, memory: FrameSnapshot, request: Omit<ForkRequest, 'memory'>): Promise<number> {
    return this.peers.fork(thread, { ...request, memory: memory.handOver() });
  }

  private adopt({ memory, ...request }: ForkRequest): Promise<number> {
    return this.fork(FrameSnapshot.of(this.engine!.arena, memory, this.origin!.pages), request);
  }

  /** It uses what machines of this fork group share. */
  addMachine(machine: RunningMachine): void {
    this.users.add(machine);
  }

  /** It has closed all that is its own. `leftover` takes away what its forks may use, when the last one has left. */
  async removeMachine(machine: RunningMachine, leftover: () => Promise<void> | void): Promise<void> {
    this.leftovers.push(leftover);
    this.users.delete(machine);
    // Of several threads none knows whether others have forks: the main thread does.
    if (this.users.size === 0 && !this.lock) await this.clearUp();
  }

  private async clearUp(): Promise<void> {
    for (const action of this.leftovers.splice(0)) await action();
    this.origin?.close();
  }

  receive(message: Exclude<ToThread, { kind: 'shut-down' }>): void {
    if ('machine' in message) {
      const machine = this.machines.get(message.machine);
      if (machine) receive(machine, message.message);
      return;
    }
    switch (message.kind) {
      case 'share':
        this.share(message);
        break;
      case 'connect':
        this.peers.connect(message.thread, message.port);
        break;
    }
  }

  private share({ thread, port, lock }: Extract<ToThread, { kind: 'share' }>): void {
    const { arena } = this.engine!;
    this.lock ??= new MemoryLock(lock, this.thread);
    arena.shareBy(this.lock);
    this.peers.connect(thread, port);
    this.peers.post(thread, { kind: 'join', memory: arena.memory, origin: this.origin!.description });
  }

  /** After the last machine of the fork group. One that nobody knows of ends with it. */
  async shutDown(): Promise<void> {
    for (const machine of this.machines.values()) machine.stop();
    if (this.machines.size > 0) await new Promise<void>((resolve) => this.whenLast.push(resolve));
    await this.clearUp();
    this.peers.close();
  }

  private remove(machine: number): void {
    this.machines.delete(machine);
    if (this.machines.size === 0) for (const resolve of this.whenLast.splice(0)) resolve();
    if (this.machines.size === 0 && !this.lock) this.empty();
  }
}
