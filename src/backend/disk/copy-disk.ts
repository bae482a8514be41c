import { type Cancellation, throwIfCancelled } from '../../common/cancellation.ts';
import { callback, cancellation, flag, object, optional, type Schema, wholeNumber } from '../../common/schema.ts';
import { DISK } from './arguments.ts';
import type { Disk } from './disk.ts';
import { transferPiece } from './transfer.ts';

/** How a disk is copied. */
export interface CopyOptions {
  /** Also what so many images under it hold. */
  imagesUnder: number;
  /** Whether something lies under the target that zeros must hide. */
  targetHasBacking: boolean;
  /** Ends the copy, which throws then. */
  signal?: Cancellation;
  /** Bytes of the disk that are done, and those among them that were there to be copied. */
  onProgress?: (doneBytes: number, copiedBytes: number) => void;
}

const OPTIONS: Schema<CopyOptions> = object({
  imagesUnder: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  targetHasBacking: flag(),
  signal: optional(cancellation()),
  onProgress: optional(callback<(doneBytes: number) => void>()),
});

/**
 * Copies what `from` holds, which nobody changes meanwhile, to the empty disk `to` of the same size. Does not flush it.
 */
export async function copyDisk(from: Disk, to: Disk, options: CopyOptions): Promise<void> {
  DISK.parse(from, 'from');
  DISK.parse(to, 'to');
  OPTIONS.parse(options, 'options');
  let copiedBytes = 0;
  const moved = (bytes: number): void => {
    copiedBytes += bytes;
  };
  const rules = { imagesUnder: options.imagesUnder, targetIsEmpty: !options.targetHasBacking, moved };
  const end = from.sizeBytes;
  for (let offset = 0; offset < end; ) {
    throwIfCancelled(options.signal, 'Copying the disk was called off');
    offset = await transferPiece(from, to, { offset, end }, rules);
    options.onProgress?.(offset, copiedBytes);
  }
}
