/** Disks and their formats, without anything of a platform: give them a ByteFile. */

export type { Cancellation } from '../../common/cancellation.ts';
export type { ByteFile } from '../../platform/files.ts';
export { BorrowedDisk } from './borrowed-disk.ts';
export { CommittingDisk } from './committing-disk.ts';
export { type CopyOptions, copyDisk } from './copy-disk.ts';
export type { Disk, Extent } from './disk.ts';
export { MemoryByteFile, MemoryFileContent } from './memory-byte-file.ts';
export { MemoryDisk } from './memory-disk.ts';
export { type DiskFormat, probeFormat } from './probe.ts';
export { createQcow2, type Qcow2CreateOptions } from './qcow2/create.ts';
export type { BackingReference } from './qcow2/header.ts';
export { Qcow2Disk, type Qcow2Options } from './qcow2/qcow2-disk.ts';
export { RawDisk, type RawDiskOptions } from './raw-disk.ts';
export { SwitchableDisk, type Switched, type SwitchOptions } from './switchable-disk.ts';
