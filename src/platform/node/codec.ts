import { crc32, deflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import { notInflatable } from '../../state/portable-codec.ts';
import type { Codec } from '../codec.ts';

/** Less than that is deflated sooner than another thread is asked to. */
const SYNCHRONOUS_BYTES = 4096;
const QUICKLY = { level: 1 } as const;

/** The same as the portable one, several times as fast. */
export const nodeCodec: Codec = {
  crc32: (bytes, previous = 0) => crc32(bytes, previous),
  deflate: (bytes) => plainView(deflateRawSync(bytes, { ...QUICKLY, chunkSize: Math.max(64, bytes.length) })),
  deflateLater: (bytes) => {
    if (bytes.length <= SYNCHRONOUS_BYTES) return plainView(deflateRawSync(bytes, QUICKLY));
    return new Promise((resolve, reject) => {
      deflateRaw(bytes, QUICKLY, (error, deflated) => (error ? reject(error) : resolve(deflated)));
    });
  },
  inflate: (bytes, lengthBytes) => {
    let inflated: Uint8Array;
    try {
      inflated = inflateRawSync(bytes, { chunkSize: Math.max(64, lengthBytes), maxOutputLength: lengthBytes });
    } catch (cause) {
      throw notInflatable(cause);
    }
    if (inflated.length !== lengthBytes) throw notInflatable();
    return plainView(inflated);
  },
};

/** A Buffer's `slice` copies nothing, unlike that of the array that it passes for. */
function plainView({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
