/** `godwit disk`: makes images and looks at them. */
import { resolve } from 'node:path';
import { formatByteSize, parseByteSize } from '../api/index.ts';
import { commitDisk } from '../backend/disk/live/commit.ts';
import { openImage } from '../backend/disk/live/image.ts';
import { createDisk, machineSizeOf, wholeSectors } from '../backend/disk/live/open-disk.ts';
import { cancellable } from './cancellable.ts';
import { writeAll } from './output.ts';

export interface DiskCreateOptions {
  readonly format?: 'raw' | 'qcow2';
  readonly backing?: string;
}

export async function diskCreate(path: string, size: string | undefined, options: DiskCreateOptions): Promise<void> {
  const { format, backing } = options;
  await createDisk(path, {
    ...(size === undefined ? {} : { sizeBytes: wholeSectors(parseByteSize("A disk's size", size)) }),
    ...(format === undefined ? {} : { format }),
    ...(backing === undefined ? {} : { backing: { path: resolve(backing) } }),
  });
}

/** One line for the image, and one for each under it. */
export async function diskInfo(path: string): Promise<void> {
  const { disk, under } = await openImage(path, { readonly: true });
  try {
    const sizeBytes = machineSizeOf(disk);
    const size = `${formatByteSize(sizeBytes)} (${sizeBytes} bytes)`;
    const below = under.map((image) => `  over ${image.path} (${image.format})\n`).join('');
    await writeAll(process.stdout, `${path}: ${disk.format}, ${size}\n${below}`);
  } finally {
    await disk.close();
  }
}

/** Gives the exit status. */
export async function diskCommit(path: string): Promise<number> {
  return await cancellable('Committing', async ({ signal, onProgress: show }) => {
    const onProgress = (_doneBytes: number, copiedBytes: number): void => show(copiedBytes);
    const { path: into, isDiskAgain } = await commitDisk(path, { signal, onProgress });
    await writeAll(
      process.stdout,
      isDiskAgain ? `${into} is one file again.\n` : `What ${path} held is in ${into} now.\n`,
    );
  });
}
