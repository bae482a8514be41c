/** Moves what one disk holds to another, in pieces, leaving out what is not there. */
import type { Disk } from './disk.ts';
import { extentAt } from './extent.ts';

/** Data is read and written in pieces of this size. */
export const TRANSFER_BYTES = 1024 * 1024;
/** Zeros are looked for in blocks of this size. */
const BLOCK_BYTES = 64 * 1024;
/** So much is made zero in one piece; where a disk must write the zeros, this bounds how long that takes. */
const ZEROS_BYTES = 16 * TRANSFER_BYTES;

export interface TransferRules {
  /** Holes of the source are looked through, down to so many images under it. */
  readonly imagesUnder: number;
  /** Whether the target reads as zeros where nothing was written to it, so that zeros can be left out. */
  readonly targetIsEmpty: boolean;
  /** Told how many bytes of data were moved. */
  readonly moved?: (bytes: number) => void;
}

/**
 * Brings one piece of the range to `to`, holes before it included. Gives where it ended: at `end`, or where there is
 * more to do.
 */
export async function transferPiece(
  from: Disk,
  to: Disk,
  range: { readonly offset: number; readonly end: number },
  rules: TransferRules,
): Promise<number> {
  for (let at = range.offset; at < range.end; ) {
    const { kind, lengthBytes } = await extentAt(from, at, range.end - at, rules.imagesUnder);
    if (kind === 'hole' || (kind === 'zero' && rules.targetIsEmpty)) {
      at += lengthBytes;
      continue;
    }
    const length = Math.min(lengthBytes, kind === 'zero' ? ZEROS_BYTES : TRANSFER_BYTES);
    if (kind === 'zero') await writeZeroes(to, at, length);
    else await transferData(from, to, at, length, rules.targetIsEmpty);
    if (kind === 'data') rules.moved?.(length);
    return at + length;
  }
  return range.end;
}

async function transferData(from: Disk, to: Disk, offset: number, length: number, leaveZeros: boolean): Promise<void> {
  const bytes = new Uint8Array(length);
  await from.read(offset, bytes);
  if (!leaveZeros) return to.write(offset, bytes);
  for (let at = 0; at < length; ) {
    const start = at;
    const zero = isZero(bytes, at);
    while (at < length && isZero(bytes, at) === zero) at += BLOCK_BYTES - ((offset + at) % BLOCK_BYTES);
    if (!zero) await to.write(offset + start, bytes.subarray(start, Math.min(at, length)));
  }

  /** The block that begins at `at`, or the part of it that is there. */
  function isZero(data: Uint8Array, at: number): boolean {
    const end = Math.min(data.length, at + BLOCK_BYTES - ((offset + at) % BLOCK_BYTES));
    return isAllZero(data.subarray(at, end));
  }
}

/** A raw file has no way to forget: it gets zeros only where it has something else. */
async function writeZeroes(to: Disk, offset: number, length: number): Promise<void> {
  if (to.format !== 'raw') return to.writeZeroes(offset, length, true);
  for (let done = 0; done < length; done += BLOCK_BYTES) {
    const piece = new Uint8Array(Math.min(BLOCK_BYTES, length - done));
    await to.read(offset + done, piece);
    if (!isAllZero(piece)) await to.write(offset + done, piece.fill(0));
  }
}

export function isAllZero(bytes: Uint8Array): boolean {
  let at = 0;
  if (bytes.byteOffset % 4 === 0) {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    for (const word of words) if (word !== 0) return false;
    at = words.length * 4;
  }
  for (; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
