/** A godwit machine in this process, run by the live runner as users run it. */
import type { Disk } from '../../src/backend/disk/disk.ts';
import { openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { type Optimization, optimizationsWithout } from '../../src/execute/jit/options.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { MACHINE_INTERPRETER } from '../../src/machine/interpreter-module.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { platform } from '../../src/platform/platform.ts';
import { LiveRunner } from '../../src/run/live-runner.ts';
import { compileService } from '../../src/service/compile/compile-service.ts';
import { ThreadCompiler } from '../../src/service/compile/thread-compiler.ts';
import { DiskPort } from '../../src/service/disk/disk-port.ts';
import { MachineFiles } from '../../src/service/machine/machine-files.ts';
import { MachineLoop } from '../../src/service/machine/machine-loop.ts';
import type { GuestImage } from '../guest-image.ts';

/** What executes guest instructions: `jit` translates what is hot, as by default; `interpreter` never does. */
export const ENGINES = ['jit', 'interpreter'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface LiveMachine {
  readonly core: MachineCore;
  readonly runner: LiveRunner;
  /** When it does not run any more: finishes what its disks have to do and closes them. */
  close(): Promise<void>;
}

/** Ready to run. The seed is always the same, so that runs differ in their timing only. */
export async function createLiveMachine(
  image: GuestImage,
  engine: EngineName,
  output: (bytes: Uint8Array, core: MachineCore) => void,
  without: readonly Optimization[] = [],
): Promise<LiveMachine> {
  // The machine and its disks' ports need each other.
  const late: { machine?: { readonly core: MachineCore; readonly runner: LiveRunner } } = {};
  const disks: Disk[] = [];
  for (const { path, format, readonly } of image.disks) disks.push(await openDisk(path, { format, readonly }));
  const ports = disks.map(
    (disk, index) =>
      new DiskPort({
        disk,
        memory: () => late.machine!.core.ram.bytes,
        complete: (id, completion) => late.machine!.runner.completeBlock(index, id, completion),
        failed: (error) => {
          throw error;
        },
      }),
  );
  const files = await MachineFiles.open({
    kernel: image.kernelPath,
    initrd: image.initrdPath,
    bootArguments: image.commandLine,
  });
  const { clock, threads, collectGarbage } = platform();
  await platform().interpreter();
  const compiler = compileService.connect();
  const core: MachineCore = await MachineCore.create({
    ...MACHINE_INTERPRETER,
    compiler: new ThreadCompiler(threads.port(compiler.port)),
    memoryBytes: image.memoryMebibytes * 1024 ** 2,
    seed: new Uint8Array(32).fill(7),
    epochNanoseconds: clock.epochNanoseconds(),
    disks: disks.map(({ sizeBytes, readonly }, index) => ({
      sizeBytes,
      readonly,
      serial: `disk${index}`,
      backend: ports[index]!,
    })),
    translation: { enabled: engine === 'jit', optimizations: optimizationsWithout(without) },
    load: bootImages(() => files.read()),
    collectGarbage,
    output: (port, bytes) => {
      if (port === 'uart') output(bytes, core);
    },
  });
  collectGarbage();
  const runner = new LiveRunner(core, clock, new MachineLoop());
  late.machine = { core, runner };
  const close = async (): Promise<void> => {
    await Promise.all(ports.map((port) => port.drain()));
    await Promise.all(disks.map((disk) => disk.close()));
    compiler.release();
    files.close();
  };
  return { core, runner, close };
}
