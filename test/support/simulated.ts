import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';

/** A machine without a clock: idle time is skipped, so everything takes as long as it takes to compute. */
export class SimulatedMachine {
  private readonly core: MachineCore;
  private printed = '';
  /** What `runUntil` has found so far ends here. */
  private found = 0;

  private constructor(core: MachineCore) {
    this.core = core;
  }

  static async create(options: Omit<CoreOptions, 'output'>): Promise<SimulatedMachine> {
    const decoder = new TextDecoder();
    let machine: SimulatedMachine | undefined;
    const core = await MachineCore.create({
      ...options,
      output: (_port, bytes) => {
        if (machine) machine.printed += decoder.decode(bytes, { stream: true });
      },
    });
    machine = new SimulatedMachine(core);
    return machine;
  }

  get transcript(): string {
    return this.printed;
  }

  type(text: string): void {
    this.core.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode(text) });
  }

  /**
   * Runs until `wanted` is printed after what was found last, or the guest has powered off; throws after `branches`
   * more.
   */
  runUntil(wanted: string | 'power-off', branches: bigint): void {
    const end = this.core.current.branches + branches;
    for (;;) {
      const at = wanted === 'power-off' ? -1 : this.printed.indexOf(wanted, this.found);
      if (at >= 0) {
        this.found = at + wanted.length;
        return;
      }
      const outcome = this.core.run(this.core.current.branches + 100_000n);
      if (outcome.kind === 'finished') {
        if (wanted === 'power-off') return;
        throw new Error(`the guest ended before it printed ${wanted}: ${this.printed.slice(-500)}`);
      }
      if (outcome.kind === 'waiting') {
        if (outcome.deadline === undefined) throw new Error(`the guest waits for ever: ${this.printed.slice(-500)}`);
        this.core.skipTo(outcome.deadline);
      }
      if (this.core.current.branches > end) throw new Error(`no ${wanted} so far: ${this.printed.slice(-500)}`);
    }
  }
}
