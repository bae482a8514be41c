/**
 * godwit as a library for Node: machines in threads of the calling process, disks, and Debian's kernel as a guest.
 *
 *     import { ensureGuest, Machine } from 'godwit';
 *
 *     const { kernelPath, initramfsPath } = await ensureGuest();
 *     const machine = await Machine.create({ kernel: kernelPath, initrd: initramfsPath });
 *     await machine.start();
 */
import './platform/node/install.ts';

export * from './api/index.ts';
export type { Disk, DiskFormat, Extent } from './backend/disk/index.ts';
export { type CreateDiskOptions, createDisk, type OpenDiskOptions, openDisk } from './backend/disk/live/open-disk.ts';
export type { BootFileUse, CheckpointDisk, CheckpointMeta, CheckpointRest, FilePin } from './checkpoint/meta.ts';
export {
  type CheckDepth,
  type DebianDisk,
  type DebianOptions,
  type DebianVariant,
  ensureDebianDisk,
  ensureGuest,
  type FindDebianOptions,
  type Guest,
  type GuestOptions,
  type MachineRequest,
  type Progress,
  type ProgressUpdate,
  QUICK_BOOT_PARAMETERS,
  type RunMachine,
} from './guest/index.ts';
export type { CopyOptions, CopyReport, TreeProgress } from './service/agent/copy.ts';
export {
  type CheckpointDetails,
  type CheckpointNode,
  CheckpointStore,
  type CheckpointSummary,
  type ImportOptions,
  type StoreOptions,
  type VerifyReport,
} from './service/checkpoint/store/index.ts';
export { Machine } from './service/machine/machine.ts';
export * from './service/replay/index.ts';
