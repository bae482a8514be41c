import type { WireError } from '../../../api/wire-error.ts';
import type { CheckpointHead, PageBatch } from '../../../checkpoint/write.ts';

/** What a file is made of, beside its pages. */
export interface WriteRequest {
  readonly path: string;
  readonly head: CheckpointHead;
  readonly pageCount: number;
  /** In it, the frames of all batches. Shared with the machine that goes on. */
  readonly memory: Uint8Array;
  /** Take in all pages of the checkpoints that it builds on, which are in this folder. */
  readonly flattenFrom?: string;
}

/**
 * To the writer's thread. Jobs have numbers.
 *
 *     start, batch..., end        and at any time: cancel
 *     <- progress..., then done or failed
 */
export type ToWriter =
  | { readonly kind: 'start'; readonly job: number; readonly request: WriteRequest }
  | { readonly kind: 'batch'; readonly job: number; readonly batch: PageBatch }
  | { readonly kind: 'end'; readonly job: number }
  | { readonly kind: 'cancel'; readonly job: number };

export type FromWriter =
  | { readonly kind: 'progress'; readonly job: number; readonly bytes: number }
  | { readonly kind: 'done'; readonly job: number; readonly bytes: number }
  | { readonly kind: 'failed'; readonly job: number; readonly error: WireError };
