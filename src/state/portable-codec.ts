import { deflateSync, inflateSync } from 'fflate';
import { GodwitError } from '../common/errors.ts';
import type { Codec } from '../platform/codec.ts';
import { crc32 } from './checksum.ts';

/** Runs everywhere. */
export const portableCodec: Codec = {
  crc32,
  deflate: (bytes) => deflateSync(bytes, { level: 1 }),
  deflateLater: (bytes) => deflateSync(bytes, { level: 1 }),
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
