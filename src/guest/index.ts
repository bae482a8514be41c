/** Debian's kernel, an initramfs and a root disk for machines, fetched with apt and kept in a cache folder. */

export { openDebianApt, type PackageRecord, PrivateApt } from './apt.ts';
export { findDebianMirror, parseDeb822Sources, parseOneLineSources, readMachineSources } from './apt-sources.ts';
export { defaultCacheFolder } from './cache.ts';
export { type CpioEntry, readCpio, writeCpio } from './cpio.ts';
export type { MachineRequest, RunMachine } from './debian/configure.ts';
export {
  createMachineDisk,
  type DebianDisk,
  type DebianOptions,
  ensureDebianDisk,
  findDebianDisk,
} from './debian/ensure-disk.ts';
export { ensureGuest, type Guest, type GuestOptions } from './ensure-guest.ts';
export { initramfsWithFiles } from './initramfs.ts';
export { QUICK_BOOT_PARAMETERS } from './kernel-parameters.ts';
export { type Progress, type ProgressUpdate, renderProgress, silentProgress } from './progress.ts';
