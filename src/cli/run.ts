/** `godwit run`: a machine on this terminal until it ends. */
import { resolve } from 'node:path';
import type { DiskOptions, MachineOptions } from '../api/index.ts';
import { configureMachine } from '../api/options.ts';
import { Machine } from '../service/machine/machine.ts';
import { engineOptionsOf } from './engine-options.ts';
import { type BootFiles, bootFiles } from './guest-images.ts';
import { type RunOptions, refuseNonsense } from './run-options.ts';
import { Session } from './session.ts';
import { terminalSize } from './terminal.ts';
import { TraceFile } from './trace-file.ts';

/** Runs it and gives the exit status: the guest's. Throws GodwitError when there is nothing to run. */
export async function run(options: RunOptions): Promise<number> {
  refuseNonsense(options);
  // Before anything is fetched. What the machine boots is not known yet, and something stands for it here.
  const { memoryBytes } = await configureMachine({
    ...machineOptions(options),
    ...(options.debian && { disks: [{ path: 'debian' }, ...options.disk] }),
    kernel: options.kernel ?? 'kernel',
  });
  const trace = options.traceFile === undefined ? undefined : await TraceFile.open(options.traceFile);
  try {
    const size = terminalSize(process.stdout);
    const files = await bootFiles(options, memoryBytes, size && { ...size, name: process.env.TERM });
    try {
      const disks = disksOf(options, files).map(({ path }) => resolve(path));
      const facts = { console: options.console, memoryBytes, disks };
      return await new Session(await createMachine(options, files), options, facts, trace).run();
    } finally {
      await files.cleanUp();
    }
  } finally {
    await trace?.close();
  }
}

async function createMachine(options: RunOptions, files: BootFiles): Promise<Machine> {
  return await Machine.create({
    ...machineOptions(options),
    ...files.options,
    disks: disksOf(options, files),
  });
}

function disksOf(options: RunOptions, files: BootFiles): DiskOptions[] {
  return [...files.disks, ...options.disk];
}

/** All but what it boots. */
function machineOptions(options: RunOptions): MachineOptions {
  const size = terminalSize(process.stdout);
  return {
    memory: options.memory,
    disks: options.disk,
    shares: options.share,
    consolePort: options.console,
    ...(!options.agent && { agent: false }),
    ...(size && { terminal: size }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    noReboot: !options.reboot,
    symbols: options.symbols,
    ...engineOptionsOf(options),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.trace === undefined ? {} : { trace: options.trace === true ? '' : options.trace }),
  };
}
