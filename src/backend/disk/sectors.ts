import type { Disk } from './disk.ts';

/** The unit in which a machine sees a disk. */
const SECTOR_BYTES = 512;

/** Sizes of images need not be whole sectors: the last sector of a raw one is filled up with zeros, as QEMU does it. */
export function wholeSectors(sizeBytes: number): number {
  return Math.ceil(sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
}

/** What a machine sees of a size that it was told. */
export function sectorsOf(sizeBytes: number): number {
  return Math.floor(sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
}

/** What a machine sees of a disk, before it leaves out what is no whole sector. */
export function machineSizeOf({ format, sizeBytes }: Pick<Disk, 'format' | 'sizeBytes'>): number {
  return format === 'raw' ? wholeSectors(sizeBytes) : sizeBytes;
}
