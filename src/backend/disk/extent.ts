import type { Disk, Extent } from './disk.ts';

/** `Disk.extentAt`, also for disks that have none. */
export async function extentAt(disk: Disk, offset: number, maxBytes: number, imagesUnder: number): Promise<Extent> {
  if (disk.extentAt !== undefined) return await disk.extentAt(offset, maxBytes, imagesUnder);
  return { kind: 'data', lengthBytes: maxBytes };
}
