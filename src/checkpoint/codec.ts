import { deflateSync, inflateSync } from 'fflate';
import { GodwitError } from '../common/errors.ts';
import { crc32 } from './checksum.ts';

/** Compression and checksums. What one implementation writes all others read; a host's own is quicker. */
export interface Codec {
  /** CRC-32. `previous` is the checksum of what comes before. */
  crc32(bytes: Uint8Array, previous?: number): number;
  /** Raw deflate (RFC 1951), the quick way. */
  deflate(bytes: Uint8Array): Uint8Array;
  /** What `deflate` made `lengthBytes` bytes of. Throws GodwitError('damaged') when it is not exactly that. */
  inflate(bytes: Uint8Array, lengthBytes: number): Uint8Array;
}

/** Runs everywhere. */
export const portableCodec: Codec = {
  crc32,
  deflate: (bytes) => deflateSync(bytes, { level: 1 }),
  inflate: (bytes, lengthBytes) => {
    let inflated: Uint8Array;
    try {
      // One byte more than it may be: what is too long would be cut to the length of `out`.
      inflated = inflateSync(bytes, { out: new Uint8Array(lengthBytes + 1) });
    } catch (cause) {
      throw notInflatable(cause);
    }
    if (inflated.length !== lengthBytes) throw notInflatable();
    return inflated;
  },
};

export function notInflatable(cause?: unknown): GodwitError {
  return new GodwitError('damaged', 'The compressed data is damaged.', cause === undefined ? {} : { cause });
}
