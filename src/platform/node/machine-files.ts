import { readFile } from 'node:fs/promises';
import type { ImageSource, MachineConfiguration } from '../../api/options.ts';
import type { Disk } from '../../backend/disk/disk.ts';
import { hostError } from './host-error.ts';
import { openDisk } from './open-disk.ts';

export interface Images {
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly bios?: Uint8Array;
}

/** Reads the files that a machine boots from. Throws GodwitError. */
export async function readImages({ kernel, initrd, bios }: MachineConfiguration): Promise<Images> {
  const [kernelBytes, initrdBytes, biosBytes] = await Promise.all([
    readImage('the kernel', kernel),
    readImage('the initrd', initrd),
    readImage('the firmware', bios),
  ]);
  return {
    ...(kernelBytes && { kernel: kernelBytes }),
    ...(initrdBytes && { initrd: initrdBytes }),
    ...(biosBytes && { bios: biosBytes }),
  };
}

async function readImage(what: string, source: ImageSource | undefined): Promise<Uint8Array | undefined> {
  if (typeof source !== 'string') return source;
  return await readFile(source).catch((error: unknown) => {
    throw hostError(error, `read ${what} ${source}`);
  });
}

/** Opens and locks all disks, or none. Throws GodwitError. */
export async function openDisks({ disks }: MachineConfiguration): Promise<Disk[]> {
  const opened: Disk[] = [];
  try {
    for (const { path, readonly, format } of disks) {
      opened.push(await openDisk(path, { readonly, ...(format === undefined ? {} : { format }) }));
    }
    return opened;
  } catch (error) {
    await closeDisks(opened);
    throw error;
  }
}

/** Flushes and closes all disks, whatever happens to some of them. Gives the first error. */
export async function closeDisks(disks: readonly Disk[]): Promise<unknown> {
  const results = await Promise.allSettled(disks.map((disk) => disk.close()));
  return results.find((result) => result.status === 'rejected')?.reason;
}
