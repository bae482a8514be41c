/** Debian's kernel, an initramfs and a root disk for machines, fetched with apt and kept in a cache folder. */
export { type CheckDepth, defaultCacheFolder } from './cache.ts';
export { type CpioEntry, readCpio, writeCpio } from './cpio.ts';
export type { MachineRequest, RunMachine } from './debian/configure.ts';
export type { DebianDisk, DebianOptions, FindDebianOptions } from './debian/disk-state.ts';
export { createMachineDisk, ensureDebianDisk, findDebianDisk } from './debian/ensure-disk.ts';
export type { DebianVariant } from './debian/package-set.ts';
export { ensureGuest } from './ensure-guest.ts';
export type { Guest, GuestOptions } from './guest-state.ts';
export { initramfsWithFiles } from './initramfs-files.ts';
export { QUICK_BOOT_PARAMETERS } from './kernel-parameters.ts';
export { GUEST_MEMORY_MINIMUM_BYTES } from './memory.ts';
export { type Progress, type ProgressUpdate, renderProgress, silentProgress } from './progress.ts';
