import { type Cancellation, throwIfCancelled } from '../../common/cancellation.ts';
import { GodwitError } from '../../common/errors.ts';
import { callback, cancellation, flag, object, optional } from '../../common/schema.ts';
import { DISK } from './arguments.ts';
import type { Disk } from './disk.ts';
import { assertRange, lengthOf } from './range.ts';
import { RangeLock } from './range-lock.ts';
import { machineSizeOf } from './sectors.ts';
import { TRANSFER_BYTES, transferPiece } from './transfer.ts';

/** Holes are passed over in steps of this size. */
const STEP_BYTES = 64 * TRANSFER_BYTES;
const OPTIONS = object({
  signal: optional(cancellation()),
  onProgress: optional(callback<(doneBytes: number) => void>()),
});
const UNMAP = flag();
const RULES = { imagesUnder: 0, targetIsEmpty: false };

/**
 * Brings what an overlay holds into its parent while a machine uses the overlay. A cursor goes over the disk once:
 *
 *     behind the cursor   the parent has what the overlay has; each change of the machine goes to the overlay,
 *                         then to the parent
 *     at the cursor       a piece is being copied; changes that touch it wait, for as long as one piece takes
 *     ahead of it         changes go to the overlay only
 *
 * So it ends after one pass, however much the machine writes. The parent is changed only where the overlay hides it, so
 * that the two together are right at every moment, also when the process dies. A change that was not flushed may then
 * be seen through the parent already; that is no different from one that has reached a disk early.
 */
export class CommittingDisk implements Disk {
  readonly format: Disk['format'];
  readonly sizeBytes: number;
  readonly readonly = false;
  private readonly overlay: Disk;
  private readonly parent: Disk;
  private readonly ranges = new RangeLock();
  private cursor = 0;
  private copiedBytes = 0;
  /** Set when the parent does not follow any more. */
  private failure: unknown;

  /**
   * `parent` is writable, and lies under the overlay, which holds nothing past its end. Nothing happens until `commit`.
   */
  constructor(overlay: Disk, parent: Disk) {
    DISK.parse(overlay, 'overlay');
    DISK.parse(parent, 'parent');
    this.format = overlay.format;
    this.sizeBytes = overlay.sizeBytes;
    this.overlay = overlay;
    this.parent = parent;
  }

  /**
   * Does the pass; the parent is flushed then, and goes on following. Throws when it was aborted, or when the parent
   * could not be written: the overlay must stay in use.
   */
  async commit(
    options: { signal?: Cancellation; onProgress?: (doneBytes: number, copiedBytes: number) => void } = {},
  ): Promise<void> {
    OPTIONS.parse(options, 'options');
    const commitBytes = Math.min(this.sizeBytes, machineSizeOf(this.parent));
    while (this.cursor < commitBytes) {
      throwIfCancelled(options.signal, 'Committing the disk was called off');
      await this.step(commitBytes);
      options.onProgress?.(this.cursor, this.copiedBytes);
    }
    await this.parent.flush();
    this.assertFollowing();
  }

  /** Throws what kept the parent from following. */
  assertFollowing(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  private async step(commitBytes: number): Promise<void> {
    const offset = this.cursor;
    const end = Math.min(commitBytes, offset + STEP_BYTES);
    await this.ranges.run(offset, end - offset, async () => {
      this.assertFollowing();
      const moved = (bytes: number): void => {
        this.copiedBytes += bytes;
      };
      this.cursor = await transferPiece(this.overlay, this.parent, { offset, end }, { ...RULES, moved });
    });
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.overlay.read(offset, into);
  }

  /** What was flushed is in the overlay, which hides the parent there. */
  flush(): Promise<void> {
    return this.overlay.flush();
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    return this.change(
      { offset, length: lengthOf(data) },
      () => this.overlay.write(offset, data),
      () => this.parent.write(offset, data),
    );
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    UNMAP.parse(unmap, 'unmap');
    return this.change(
      { offset, length },
      () => this.overlay.writeZeroes(offset, length, unmap),
      () => this.parent.writeZeroes(offset, length, unmap),
    );
  }

  /** What a discard leaves is up to each disk, so the parent gets what it left in the overlay. */
  discard(offset: number, length: number): Promise<void> {
    return this.change(
      { offset, length },
      () => this.overlay.discard(offset, length),
      async () => {
        const end = offset + length;
        for (let at = offset; at < end; ) {
          at = await transferPiece(this.overlay, this.parent, { offset: at, end }, RULES);
        }
      },
    );
  }

  /** Rejects with GodwitError('state'): whoever commits closes the two disks. */
  close(): Promise<void> {
    return Promise.reject(new GodwitError('state', 'A disk that is being committed cannot be closed.'));
  }

  private async change(
    { offset, length }: { offset: number; length: number },
    onOverlay: () => Promise<void>,
    onParent: () => Promise<void>,
  ): Promise<void> {
    // A request that makes no sense says nothing about the disks.
    assertRange(this.sizeBytes, offset, length);
    await this.ranges.run(offset, length, async () => {
      try {
        await onOverlay();
      } catch (error) {
        // What the overlay has there now is not known, so neither is what the parent should have.
        this.failure ??= error;
        throw error;
      }
      if (offset >= this.cursor || this.failure !== undefined) return;
      await onParent().catch((error: unknown) => {
        this.failure ??= error;
      });
    });
  }
}
