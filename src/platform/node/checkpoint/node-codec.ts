import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { type Codec, notInflatable } from '../../../checkpoint/codec.ts';

/** The same as the portable one, several times as fast. */
export const nodeCodec: Codec = {
  crc32: (bytes, previous = 0) => crc32(bytes, previous),
  deflate: (bytes) => plainView(deflateRawSync(bytes, { level: 1, chunkSize: Math.max(64, bytes.length) })),
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
