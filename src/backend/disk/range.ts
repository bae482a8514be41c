import { GodwitError } from '../../common/errors.ts';

/** Rejects a request that does not lie within the disk (see the contract in disk.ts). */
export function assertRange(sizeBytes: number, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new GodwitError('usage', `A disk request at ${offset} for ${length} bytes makes no sense.`);
  }
  if (offset + length > sizeBytes) {
    throw new GodwitError('usage', `A disk request at ${offset} for ${length} bytes is past the end at ${sizeBytes}.`);
  }
}

/** Rejects sizes that no disk can have. */
export function assertDiskSize(sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new GodwitError('usage', `A disk cannot have ${sizeBytes} bytes.`);
  }
}

/** What every call on a closed disk or file rejects with. */
export function closedError(name: string): GodwitError {
  return new GodwitError('state', `${name} is closed.`);
}

/** What writes to a disk or file that was opened read-only reject with. */
export function readonlyError(name: string): GodwitError {
  return new GodwitError('denied', `${name} is open for reading only.`);
}
