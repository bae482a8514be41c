/** What can be asked of a running machine's disk, and what is given. */
import type { Cancellation } from '../../../common/cancellation.ts';
import type { DiskFormat } from '../index.ts';
import type { CopyImageOptions } from './copy.ts';

/**
 * What becomes of the disk's present image:
 * - keep: it belongs to the checkpoint from then on and is never written again; `keptPath` is where it should be then,
 *   which is used if that is on the same file system. Where it need not be `own`, one that was kept before serves again
 *   if nothing was written since: else each of many forks would make the chain of images longer
 * - copy: it is copied; then the overlay is brought back into it
 */
export type OverlayRequest =
  | { readonly parent: 'keep'; readonly keptPath?: string; readonly own?: boolean }
  | { readonly parent: 'copy' };

/** An overlay that is in place, but not in use yet. Either of its calls is made, once. */
export interface PreparedOverlay {
  /**
   * What the machine asks for from now on goes to the overlay. Resolves when nothing changes the parent any more, and
   * it is on stable storage.
   */
  switch(): Promise<FrozenDisk>;
  cancel(): Promise<void>;
}

/**
 * The disk as it was at the moment of the switch. Nothing changes it until `keep` or `commit` is called: one of them,
 * once.
 */
export interface FrozenDisk {
  readonly path: string;
  readonly format: DiskFormat;
  readonly sizeBytes: number;
  /** Paths of the images under it, or, where it is to be copied, under the copy; the nearest first. */
  readonly backing: readonly string[];
  /** Whether it is to be kept. */
  readonly isKept: boolean;
  /** Makes a qcow2 image with the same content. */
  copyTo(path: string, options?: CopyImageOptions): Promise<void>;
  /** Nobody changes it any more: others may read it, and lay images over it. */
  keep(): Promise<void>;
  /**
   * Brings what the machine has written since into the parent, which the machine goes on with then: after a copy, and
   * when what it was to be kept for has come to nothing. Nothing is lost when it fails or never ends: it is done when
   * the machine ends, or mostly when it is started again.
   */
  commit(options?: CommitOptions): Promise<void>;
}

export interface CommitOptions {
  readonly signal?: Cancellation;
  readonly onProgress?: (doneBytes: number, copiedBytes: number) => void;
}
