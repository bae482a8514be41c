/** Connects a machine with its disks and shared folders, and with what listens to it. */
import type { MachineConfiguration } from '../../api/options.ts';
import { toWireError } from '../../api/wire-error.ts';
import { formatByteSize } from '../../common/byte-size.ts';
import { GodwitError } from '../../common/errors.ts';
import { MachineCore } from '../../machine/core.ts';
import type { CoreOptions } from '../../machine/core-options.ts';
import { MEMORY_LIMIT_BYTES } from '../../memory/arena.ts';
import { platform } from '../../platform/platform.ts';
import type { MachineParts } from './machine-parts.ts';
import { RunningMachine } from './running-machine.ts';

/** `make` makes the core, which gets its hooks here. Closes the disks when that fails. */
export async function assemble(
  parts: Omit<MachineParts, 'core'>,
  make: (options: CoreOptions) => Promise<MachineCore> | MachineCore,
): Promise<RunningMachine> {
  // The machine and what it is connected to need each other: it is set when both are there.
  const late: { machine?: RunningMachine } = {};
  connectDisks(parts, late);
  connectShares(parts, late);
  try {
    const core = await make({
      ...optionsOf(parts),
      output: (port, bytes) => late.machine?.print(port, bytes),
      agent: {
        transmit: (bytes) => late.machine?.hearAgent(bytes),
        opened: (isOpen) => late.machine?.agentOpened(isOpen),
      },
    });
    late.machine = new RunningMachine({ ...parts, core });
    return late.machine;
  } catch (error) {
    await parts.disks.close();
    await parts.disks.removeTemporary();
    await parts.shares.close();
    throw error;
  }
}

function connectDisks({ disks, gate }: Omit<MachineParts, 'core'>, late: { readonly machine?: RunningMachine }): void {
  disks.connect({
    memory: () => late.machine!.core.ram.bytes,
    complete: (disk, id, completion) => late.machine?.runner.completeBlock(disk, id, completion),
    failed: (disk, error) => late.machine?.send({ kind: 'disk-error', disk, error: toWireError(error) }),
    gate,
  });
}

function connectShares(
  { shares, gate }: Omit<MachineParts, 'core'>,
  late: { readonly machine?: RunningMachine },
): void {
  shares.connect({
    complete: (share, id, reply) => late.machine?.runner.completeShare(share, id, reply),
    gate,
  });
}

function optionsOf({ configuration, disks, shares, host }: Omit<MachineParts, 'core'>) {
  const { memoryBytes, seed, terminal, translation, hasAgent = false }: MachineConfiguration = configuration;
  return {
    memoryBytes,
    seed,
    terminal,
    hasAgent,
    translation,
    compiler: host.compiler,
    collectGarbage: () => platform().collectGarbage(),
    epochNanoseconds: platform().clock.epochNanoseconds(),
    disks: disks.descriptions,
    shares: shares.descriptions,
    load: () => {
      throw new GodwitError('unsupported', 'A machine that did not start from its images cannot be reset.');
    },
    shared: true,
    reservedBytes: MEMORY_LIMIT_BYTES,
  };
}

/** The host refuses memory with a RangeError. */
export async function makeCore(
  options: CoreOptions,
  make: () => Promise<MachineCore> = () => MachineCore.create(options),
): Promise<MachineCore> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const size = formatByteSize(options.memoryBytes);
    throw new GodwitError('limit', `This computer does not give a machine ${size} of memory.`, { cause: error });
  }
}
