import type { Disk, Extent } from './disk.ts';

/** `Disk.extentAt`, also for disks that have none. */
export async function extentAt(disk: Disk, offset: number, maxBytes: number, through: boolean): Promise<Extent> {
  if (disk.extentAt !== undefined) return await disk.extentAt(offset, maxBytes, through);
  return { kind: 'data', lengthBytes: maxBytes };
}
