/**
 * What both machines boot for the CPU suite: Debian's kernel, the initramfs with the kernels in it, and one command
 * line.
 */
import { readFile, writeFile } from 'node:fs/promises';
import {
  ensureGuest,
  type Guest,
  initramfsWithFiles,
  type Progress,
  QUICK_BOOT_PARAMETERS,
} from '../src/guest/index.ts';

const MEMORY_MEBIBYTES = 512;
const COMMAND_LINE = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
/** The prompt, which ends a boot. The shell may ask the terminal for its size right behind it. */
export const PROMPT = /root@godwit:\S*# /;

/** Takes commands from the console; the markers are described in markers.ts. */
const RUN_SCRIPT = `echo @ready
while read -r name count; do
  /bench/$name $count || echo "@failed $name $?"
  echo @ready
done
`;

export interface DiskFile {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly readonly: boolean;
}

/** A machine to be made, in godwit or in QEMU. */
export interface GuestImage {
  readonly kernelPath: string;
  readonly initrdPath: string;
  readonly kernelVersion: string;
  readonly commandLine: string;
  readonly memoryMebibytes: number;
  /** As /dev/vda, /dev/vdb and so on. */
  readonly disks: readonly DiskFile[];
}

/** The suite's machine with this kernel and initramfs. */
export function suiteMachine({ kernelPath, initramfsPath, kernelVersion }: Guest): GuestImage {
  return {
    kernelPath,
    initrdPath: initramfsPath,
    kernelVersion,
    commandLine: COMMAND_LINE,
    memoryMebibytes: MEMORY_MEBIBYTES,
    disks: [],
  };
}

/** Debian's kernel and initramfs, fetched if need be. */
export async function plainGuest(progress: Progress): Promise<GuestImage> {
  return suiteMachine(await ensureGuest({ progress }));
}

/** The initramfs with the programs at /bench and a script that runs them on command. */
export async function suiteInitramfs(
  guest: Pick<Guest, 'initramfsPath'>,
  programs: ReadonlyMap<string, string>,
): Promise<Uint8Array> {
  return initramfsWithFiles(guest.initramfsPath, { 'godwit/run': RUN_SCRIPT, ...(await programFiles(programs)) });
}

/** The programs at /bench. */
export async function programFiles(programs: ReadonlyMap<string, string>): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const [name, path] of programs) files[`bench/${name}`] = await readFile(path);
  return files;
}

/** The same, written to a file. */
export async function writeSuiteImage(
  plain: GuestImage,
  programs: ReadonlyMap<string, string>,
  path: string,
): Promise<GuestImage> {
  await writeFile(path, await suiteInitramfs({ initramfsPath: plain.initrdPath }, programs));
  return { ...plain, initrdPath: path };
}
