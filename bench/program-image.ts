/**
 * The machines that run real programs: Debian from the variant of its disk that has a compiler, each machine on an
 * overlay of its own, and a second disk that holds what bench/programs and bench/kernels hold.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CpioEntry,
  createMachineDisk,
  type DebianDisk,
  QUICK_BOOT_PARAMETERS,
  writeCpio,
} from '../src/guest/index.ts';
import type { GuestImage } from './guest-image.ts';
import { sourceFolder } from './sources.ts';

/** Room for 100 MB in memory beside what gzip and xz make of them. */
const MEMORY_MEBIBYTES = 1024;
const KIT = '/run/bench';
const START = `mkdir ${KIT} && cd ${KIT} && busybox cpio -id < /dev/vdb 2> /dev/null && exec bash run.sh`;
const COMMAND_LINE = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS, 'root=/dev/vda', `godwit.run="${START}"`].join(' ');

async function filesOf(folder: string, prefix: string): Promise<CpioEntry[]> {
  const names = (await readdir(folder)).sort();
  return Promise.all(
    names.map(async (name) => ({
      type: 'file' as const,
      name: `${prefix}${name}`,
      permissions: 0o644,
      content: await readFile(join(folder, name)),
    })),
  );
}

/** An archive of the sources. */
export async function programKit(): Promise<Uint8Array> {
  return writeCpio([
    ...(await filesOf(sourceFolder('programs'), '')),
    { type: 'directory', name: 'kernels', permissions: 0o755 },
    ...(await filesOf(sourceFolder('kernels'), 'kernels/')),
  ]);
}

/** A machine whose changes go to a new overlay in `folder`; `name` tells machines in it apart. */
export async function programMachine(debian: DebianDisk, folder: string, name: string): Promise<GuestImage> {
  const overlay = join(folder, `${name}.qcow2`);
  const kit = join(folder, `${name}.cpio`);
  await createMachineDisk(overlay, debian);
  await writeFile(kit, await programKit());
  const { kernelPath, initramfsPath, kernelVersion } = debian.guest;
  return {
    kernelPath,
    initrdPath: initramfsPath,
    kernelVersion,
    commandLine: COMMAND_LINE,
    memoryMebibytes: MEMORY_MEBIBYTES,
    disks: [
      { path: overlay, format: 'qcow2', readonly: false },
      { path: kit, format: 'raw', readonly: true },
    ],
  };
}
