import type { FromMachine, ToMachine } from '../../api/actions.ts';
import type { MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import type { RegionCompiler } from '../../execute/jit/compiler.ts';
import { MachineServer } from './machine-server.ts';

/** What goes between a thread of machines and the rest of the process: a message, and whose it is. */
export interface Envelope<Message> {
  readonly machine: number;
  readonly message: Message;
}

export type SendEnvelope = (envelope: Envelope<FromMachine>, transfer: ArrayBuffer[]) => void;

/** Number of the machine that the thread was made for. Its forks have the following ones. */
export const FIRST_MACHINE = 0;

/**
 * The machines of one thread: one that was configured, and its forks, which share its memory. Each runs in slices between which the
 * others get their turn; what goes wrong in one ends that one.
 */
export class MachineHost {
  private readonly servers = new Map<number, MachineServer>();
  /** Machines that have something open. */
  private readonly users = new Set<MachineServer>();
  private leftovers: (() => Promise<void> | void)[] = [];
  private readonly post: SendEnvelope;
  /** The last machine is gone. */
  private readonly empty: () => void;
  private nextNumber = FIRST_MACHINE;
  /** For the memory that they share. */
  readonly compiler: RegionCompiler;

  constructor(post: SendEnvelope, compiler: RegionCompiler, empty: () => void) {
    this.compiler = compiler;
    this.post = post;
    this.empty = empty;
  }

  /** Throws GodwitError, with nothing left open. */
  async open(configuration: MachineConfiguration | RestoreConfiguration): Promise<void> {
    await this.add((send) =>
      'checkpoint' in configuration
        ? MachineServer.restore(configuration, send, this)
        : MachineServer.open(configuration, send, this),
    );
  }

  /** Gives the machine that `make` makes its number. */
  async add(
    make: (send: (message: FromMachine, transfer?: ArrayBuffer[]) => void) => Promise<MachineServer>,
  ): Promise<number> {
    const machine = this.nextNumber++;
    const send = (message: FromMachine, transfer: ArrayBuffer[] = []): void => {
      this.post({ machine, message }, transfer);
      if (message.kind === 'ended' || message.kind === 'failed') this.remove(machine);
    };
    this.servers.set(machine, await make(send));
    return machine;
  }

  /** It uses what machines of this host share. */
  joins(server: MachineServer): void {
    this.users.add(server);
  }

  /** It has closed all that is its own. `leftover` takes away what its forks may use, when the last one has left. */
  async leaves(server: MachineServer, leftover: () => Promise<void> | void): Promise<void> {
    this.leftovers.push(leftover);
    this.users.delete(server);
    if (this.users.size > 0) return;
    for (const action of this.leftovers.splice(0)) await action();
  }

  get(machine: number): MachineServer | undefined {
    return this.servers.get(machine);
  }

  receive({ machine, message }: Envelope<ToMachine>): void {
    this.servers.get(machine)?.receive(message);
  }

  private remove(machine: number): void {
    this.servers.delete(machine);
    if (this.servers.size === 0) this.empty();
  }
}
