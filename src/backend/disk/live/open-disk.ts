import { GodwitError } from '../../../common/errors.ts';
import { choice, flag, number, object, optional, type Schema, text } from '../../../common/schema.ts';
import type { ByteFile } from '../../../platform/files.ts';
import { platform } from '../../../platform/platform.ts';
import { createQcow2, type Disk, type DiskFormat } from '../index.ts';
import { assertDiskSize } from '../range.ts';
import { machineSizeOf } from '../sectors.ts';
import { backingPath, type OpenDiskOptions, openImage } from './image.ts';

export { machineSizeOf, wholeSectors } from '../sectors.ts';
export type { OpenDiskOptions } from './image.ts';

/** What a new disk is like. */
export interface CreateDiskOptions {
  /** What a guest sees. May be left out with a backing file, whose size it then is. */
  sizeBytes?: number;
  /** qcow2 when not given. */
  format?: DiskFormat;
  /** For qcow2: 9 to 21, clusters of 512 bytes to 2 MiB; 16 when not given. */
  clusterBits?: number;
  /** For qcow2. A relative path is relative to the folder of the new image; it is stored as given. */
  backing?: { path: string; format?: DiskFormat };
  /** It is of no use to anybody once this process has ended: nothing is flushed to stable storage. */
  temporary?: boolean;
}

const FORMAT = choice('raw', 'qcow2');
const OPEN_OPTIONS: Schema<OpenDiskOptions> = object({ readonly: optional(flag()), format: optional(FORMAT) });
/** Sizes are looked at more closely where they are used. */
const ANY_NUMBER = number(-Number.MAX_VALUE, Number.MAX_VALUE);
const CREATE_OPTIONS: Schema<CreateDiskOptions> = object({
  sizeBytes: optional(ANY_NUMBER),
  format: optional(FORMAT),
  clusterBits: optional(ANY_NUMBER),
  backing: optional(object({ path: text(), format: optional(FORMAT) })),
  temporary: optional(flag()),
});

/**
 * Opens an image and the files under it, each locked: the image for writing unless `readonly`, the others shared.
 * @throws GodwitError 'not-found', 'denied', 'locked', 'damaged', 'unsupported'
 */
export async function openDisk(path: string, options: OpenDiskOptions = {}): Promise<Disk> {
  return (await openImage(text().parse(path, 'path'), OPEN_OPTIONS.parse(options, 'options'))).disk;
}

/**
 * Makes an empty disk. It appears complete or not at all, and never takes the place of a file that exists.
 * @throws GodwitError 'usage' when the path exists or the options make no sense, and what `openDisk` throws for the
 * backing file
 */
export async function createDisk(path: string, given: CreateDiskOptions): Promise<void> {
  text().parse(path, 'path');
  const options = CREATE_OPTIONS.parse(given, 'options');
  const backing = options.backing === undefined ? undefined : await inspectBacking(path, options.backing);
  const sizeBytes = options.sizeBytes ?? backing?.sizeBytes;
  if (sizeBytes === undefined) throw new GodwitError('usage', 'A new disk needs a size or a backing file.');
  assertDiskSize(sizeBytes);
  const { format = 'qcow2', clusterBits, temporary = false } = options;
  if (format === 'raw' && (backing !== undefined || clusterBits !== undefined)) {
    throw new GodwitError('usage', 'A raw disk has no backing file and no clusters; use qcow2.');
  }
  const fill = async (file: ByteFile): Promise<void> => {
    if (format === 'raw') return await file.truncate(sizeBytes);
    await createQcow2(file, {
      sizeBytes,
      temporary,
      ...(clusterBits === undefined ? {} : { clusterBits }),
      ...(backing === undefined ? {} : { backing: { path: backing.path, format: backing.format } }),
    });
  };
  await platform().files.createWhole(path, fill, { temporary });
}

async function inspectBacking(
  path: string,
  backing: { path: string; format?: DiskFormat },
): Promise<{ path: string; format: DiskFormat; sizeBytes: number }> {
  const { format } = backing;
  const disk = await openDisk(backingPath(path, backing.path), {
    readonly: true,
    ...(format === undefined ? {} : { format }),
  });
  const sizeBytes = machineSizeOf(disk);
  await disk.close();
  return { path: backing.path, format: disk.format === 'raw' ? 'raw' : 'qcow2', sizeBytes };
}
