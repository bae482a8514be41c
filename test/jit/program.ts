import type { MachineCore } from '../../src/machine/core.ts';
import { MachineCore as Core } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { assemble } from './assembly.ts';

const RAM = 0x8000_0000n;
const MEMORY_BYTES = 2 * 1024 ** 2;

/** Calls what stands in the page behind its own, in both ways, for ever. */
export const CALLS_NEXT_PAGE = `
          auipc s2,0x0
          lui t0,0x1
          add s3,s2,t0
  call:   jalr ra,0(s3)
          jal ra,0x1000
          jal zero,call
`;
export const NEXT_PAGE = RAM + 0x1000n;

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
      core.current.pc = RAM;
    },
  });
}

/** Runs it to this branch count, in slices. */
export function runTo(core: MachineCore, branches: bigint, slice = 5000n): void {
  while (core.current.branches < branches) {
    const { branches: now } = core.current;
    const outcome = core.run(now + slice < branches ? now + slice : branches);
    if (outcome.kind !== 'slice') throw new Error(`the program ended: ${outcome.kind}`);
  }
}
