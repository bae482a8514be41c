import type { MachineCore } from '../../src/machine/core.ts';
import { MachineCore as Core, type CoreOptions } from '../../src/machine/core.ts';
import { assemble } from './assembly.ts';

const RAM = 0x8000_0000n;
const MEMORY_BYTES = 2 * 1024 ** 2;

/** A machine that runs a bare-metal program from the start of RAM, in M-mode. */
export async function programMachine(
  source: string,
  options: Partial<Omit<CoreOptions, 'load' | 'memoryBytes'>> = {},
): Promise<MachineCore> {
  const { bytes } = assemble(source);
  return await Core.create({
    seed: new Uint8Array(32),
    ...options,
    memoryBytes: MEMORY_BYTES,
    load: (core) => {
      core.ram.copyIn(RAM, bytes);
      core.hart.pc = RAM;
    },
  });
}

/** Runs it to this branch count, in slices. */
export function runTo(core: MachineCore, branches: bigint, slice = 5000n): void {
  while (core.hart.branches < branches) {
    const { branches: now } = core.hart;
    const outcome = core.run(now + slice < branches ? now + slice : branches);
    if (outcome.kind !== 'slice') throw new Error(`the program ended: ${outcome.kind}`);
  }
}
