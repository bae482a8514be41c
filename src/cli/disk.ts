/** `godwit disk`: makes images and looks at them. */
import { resolve } from 'node:path';
import { formatByteSize, parseByteSize } from '../api/index.ts';
import { createDisk, openDisk } from '../platform/node/open-disk.ts';

export interface DiskCreateOptions {
  readonly format?: 'raw' | 'qcow2';
  readonly backing?: string;
}

export async function diskCreate(path: string, size: string | undefined, options: DiskCreateOptions): Promise<void> {
  const { format, backing } = options;
  await createDisk(path, {
    ...(size === undefined ? {} : { sizeBytes: parseByteSize("A disk's size", size) }),
    ...(format === undefined ? {} : { format }),
    ...(backing === undefined ? {} : { backing: { path: resolve(backing) } }),
  });
}

export async function diskInfo(path: string): Promise<void> {
  const disk = await openDisk(path, { readonly: true });
  try {
    process.stdout.write(`${path}: ${disk.format}, ${formatByteSize(disk.sizeBytes)} (${disk.sizeBytes} bytes)\n`);
  } finally {
    await disk.close();
  }
}
