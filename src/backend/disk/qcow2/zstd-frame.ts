const MAGIC = 0xfd2fb528;
const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/**
 * How long the zstd frame at the start of `bytes` is (RFC 8878, 3.1.1). In an image the bytes after it belong to other
 * clusters, and a decoder would take them for another frame. `undefined` when it is no frame or is cut off.
 *
 *     frame:  u32 magic (little-endian), descriptor, window 0-1, dictionary 0-4, content size 0-8, blocks, checksum 0-4
 *     block:  u24 (bit 0 last, bits 1-2 type, bits 3-23 size), content
 */
export function zstdFrameBytes(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== MAGIC) return undefined;
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const contentSizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6]!;
  let at = 5 + (singleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes;
  for (let last = false; !last; ) {
    if (at + 3 > bytes.length) return undefined;
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const type = (header >>> 1) & 3;
    if (type === BLOCK_RESERVED) return undefined;
    last = (header & 1) !== 0;
    at += 3 + (type === BLOCK_RLE ? 1 : header >>> 3);
  }
  const checksumBytes = descriptor & 0x04 ? 4 : 0;
  return at + checksumBytes <= bytes.length ? at + checksumBytes : undefined;
}
