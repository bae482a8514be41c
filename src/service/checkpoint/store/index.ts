export type { CheckpointDisk, CheckpointMeta, CheckpointRest } from '../../../checkpoint/meta.ts';
export type { CheckpointContent, CheckpointDraft } from './draft.ts';
export type { CheckpointSummary } from './inventory.ts';
export type { ImportOptions } from './portable.ts';
export {
  type BeginOptions,
  type CheckpointDetails,
  type CheckpointNode,
  CheckpointStore,
  defaultCheckpointFolder,
  type OpenCheckpoint,
  type StoreOptions,
  treeOf,
} from './store.ts';
export type { VerifyReport } from './verify.ts';
