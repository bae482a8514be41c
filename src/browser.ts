/**
 * godwit as a library for a browser, in a worker of a page that is isolated from other origins: machines in workers of
 * their own, disks and checkpoints in the origin's private file system. As for Node.js, without Debian's guest and the
 * command line.
 */
import './platform/browser/install.ts';

export * from './api/index.ts';
export type { Disk, DiskFormat, Extent } from './backend/disk/index.ts';
export { type CreateDiskOptions, createDisk, type OpenDiskOptions, openDisk } from './backend/disk/live/open-disk.ts';
export type { BootFileUse, CheckpointDisk, CheckpointMeta, CheckpointRest, FilePin } from './checkpoint/meta.ts';
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
