/** A godwit machine in this process, run by the live door as users run it. */
import { readFileSync } from 'node:fs';
import { LiveRunner } from '../../src/door/live.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { NodeLoop, nodeClock } from '../../src/platform/node/node-loop.ts';
import { COMMAND_LINE, type GuestImage, MEMORY_MEBIBYTES } from '../guest-image.ts';

/** What executes guest instructions: `jit` translates what is hot, as by default; `interpreter` never does. */
export const ENGINES = ['jit', 'interpreter'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface LiveMachine {
  readonly core: MachineCore;
  readonly runner: LiveRunner;
}

/** Ready to run. The seed is always the same, so that runs differ in their timing only. */
export async function createLiveMachine(
  image: GuestImage,
  engine: EngineName,
  output: (bytes: Uint8Array, core: MachineCore) => void,
): Promise<LiveMachine> {
  const core: MachineCore = await MachineCore.create({
    memoryBytes: MEMORY_MEBIBYTES * 1024 ** 2,
    seed: new Uint8Array(32).fill(7),
    epochNanoseconds: nodeClock.epochNanoseconds(),
    translation: { enabled: engine === 'jit' },
    load: bootImages({
      kernel: readFileSync(image.kernelPath),
      initrd: readFileSync(image.initrdPath),
      bootArguments: COMMAND_LINE,
    }),
    output: (port, bytes) => {
      if (port === 'uart') output(bytes, core);
    },
  });
  return { core, runner: new LiveRunner(core, nodeClock, new NodeLoop()) };
}
