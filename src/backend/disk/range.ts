import { GodwitError } from '../../common/errors.ts';
import { isBytes } from '../../common/schema.ts';

/** Rejects a request that does not lie within the disk (see the contract in disk.ts). */
export function assertRange(sizeBytes: number, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new GodwitError('usage', `A disk request at ${shown(offset)} for ${shown(length)} bytes makes no sense.`);
  }
  if (offset + length > sizeBytes) {
    throw new GodwitError('usage', `A disk request at ${offset} for ${length} bytes is past the end at ${sizeBytes}.`);
  }
}

/** Rejects sizes that no disk can have. */
export function assertDiskSize(sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new GodwitError('usage', `A disk cannot have ${shown(sizeBytes)} bytes.`);
  }
}

/** Also of what is no number, and cannot be written as text. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : `"${typeof value}"`;
}

/** How many bytes are read into this, or written. Throws GodwitError('usage') for what is no Uint8Array. */
export function lengthOf(bytes: Uint8Array): number {
  if (isBytes(bytes)) return bytes.length;
  throw new GodwitError('usage', 'A disk request reads into a Uint8Array, or writes one.');
}

/** What every call on a closed disk or file rejects with. */
export function closedError(name: string): GodwitError {
  return new GodwitError('state', `${name} is closed.`);
}

/** What writes to a disk or file that was opened read-only reject with. */
export function readonlyError(name: string): GodwitError {
  return new GodwitError('denied', `${name} is open for reading only.`);
}
