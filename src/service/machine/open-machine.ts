/** The three ways to a machine: from its images, from a checkpoint, and as a fork of another one in the same memory. */
import type { MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import { readBootImage } from '../../machine/boot/images.ts';
import { MachineCore } from '../../machine/core.ts';
import type { CoreOptions } from '../../machine/core-options.ts';
import type { Engine } from '../../machine/engine.ts';
import { bootImages, type Images } from '../../machine/linux.ts';
import type { FrameSnapshot } from '../../memory/snapshot.ts';
import { platform } from '../../platform/platform.ts';
import type { OutputGate } from '../../run/output-gate.ts';
import { openCheckpointed, resetFrom } from '../checkpoint/checkpointed-machine.ts';
import { MachineDisks } from '../disk/machine-disks.ts';
import { MachineShares } from '../share/machine-shares.ts';
import { takeWarmedUp } from '../warm/warm-up.ts';
import { assemble, makeCore } from './assemble.ts';
import { ForkOrigin } from './fork-origin.ts';
import { MachineFiles } from './machine-files.ts';
import type { Send } from './machine-parts.ts';
import type { RunningMachine } from './running-machine.ts';
import type { ThreadMachines } from './thread-machines.ts';
import type { ForkRequest } from './thread-messages.ts';

/** What a fork is made of: a snapshot in the memory of the thread's engine, and what goes with it. */
export interface ForkSeed extends Pick<ForkRequest, 'state' | 'disks' | 'parent'> {
  readonly engine: Engine;
  readonly origin: ForkOrigin;
  readonly memory: FrameSnapshot;
}

/** Opens everything. Throws GodwitError, with nothing left open. */
export async function openMachine(
  options: MachineConfiguration,
  send: Send,
  host: ThreadMachines,
  gate?: OutputGate,
): Promise<RunningMachine> {
  const files = await MachineFiles.open(options);
  const configuration: MachineConfiguration = { ...withWholePaths(options), bootFiles: files.bootFiles };
  try {
    let first: Images | undefined = files.read();
    const untilListening = isLinux(first, configuration.memoryBytes);
    const images = (): Images => {
      const found = first ?? files.read();
      first = undefined;
      return found;
    };
    const shares = await MachineShares.open(configuration.sharedFolders);
    const disks = await orClose(shares, MachineDisks.open(configuration));
    const load = bootImages(images);
    const parts = { configuration, disks, shares, send, host, untilListening, files, gate };
    const machine = await assemble(parts, (late) => makeCore({ ...late, load }));
    machine.beginAnew();
    shares.begin(machine.core.board.shares);
    host.setOrigin(machine.core.engine, new ForkOrigin({ configuration, load, files }));
    // Tens of megabytes that were read.
    platform().collectGarbage();
    if (configuration.profile) await machine.startProfile(configuration.profile, files);
    return machine;
  } catch (error) {
    files.close();
    throw error;
  }
}

/** Goes on from a checkpoint. Pages are read when they are touched. Throws GodwitError, with nothing left open. */
export async function restoreMachine(
  request: RestoreConfiguration,
  send: Send,
  host: ThreadMachines,
  gate?: OutputGate,
): Promise<RunningMachine> {
  const { configuration, disks, shares, replies, opened, store } = await openCheckpointed(request);
  const { state, meta } = opened;
  const warmedUp = takeWarmedUp(opened, configuration);
  if (warmedUp) opened.pages.close();
  const { pages } = warmedUp ?? opened;
  const load = resetFrom(configuration);
  const make = (late: CoreOptions) =>
    makeCore(late, async () => {
      const options = { ...late, load };
      return warmedUp?.makeCore(options) ?? MachineCore.restore(options, state, pages);
    });
  try {
    const from = { store, id: meta.id, pages };
    const machine = await assemble(
      { configuration, disks, shares, send, host, untilListening: false, from, gate },
      make,
    );
    const checkpoint = { store, id: meta.id };
    host.setOrigin(machine.core.engine, new ForkOrigin({ configuration, load, checkpoint, pages }));
    machine.disks.resubmit(machine.core.board.disks);
    shares.begin(machine.core.board.shares, replies);
    machine.continueAs(request);
    return machine;
  } catch (error) {
    pages.close();
    throw error;
  }
}

/** Goes on from a snapshot of another machine in the same memory. Throws GodwitError, with nothing left open. */
export async function forkMachine(
  { engine, origin, memory, state, disks, parent }: ForkSeed,
  send: Send,
  host: ThreadMachines,
): Promise<RunningMachine> {
  const { configuration, load } = origin;
  const shares = await MachineShares.open(configuration.sharedFolders);
  const opened = await orClose(shares, MachineDisks.openOver(disks));
  const parts = { configuration, disks: opened, shares, send, host, untilListening: false, parent };
  return await assemble(parts, (late) => MachineCore.adopt(engine, { ...late, load }, { state, memory }));
}

type BeginRequest = Pick<ForkRequest, 'identity' | 'clock' | 'start' | 'replies'>;

/** After `forkMachine`, when it has its number. */
export function beginFork(machine: RunningMachine, request: BeginRequest): void {
  machine.continueAs(request);
  machine.disks.resubmit(machine.core.board.disks);
  machine.shares.begin(machine.core.board.shares, request.replies);
  if (request.start) machine.start();
}

/** What is opened after the shared folders; they are closed when it fails. */
async function orClose<T>(shares: MachineShares, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    await shares.close();
    throw error;
  }
}

/** Checkpoints name what a machine booted from, and are restored from other folders. */
function withWholePaths(options: MachineConfiguration): MachineConfiguration {
  const whole = (name: 'kernel' | 'initrd' | 'bios') => {
    const source = options[name];
    return typeof source === 'string' ? { [name]: platform().files.absolute(source) } : {};
  };
  return { ...options, ...whole('kernel'), ...whole('initrd'), ...whole('bios') };
}

/** Whether the first program that runs is Linux, whose driver clears the UART when it opens it. */
function isLinux({ kernel, bios }: Images, memoryBytes: number): boolean {
  return (
    bios === undefined && kernel !== undefined && readBootImage('The kernel', kernel, memoryBytes).kind === 'linux'
  );
}
