/** Decompresses gzip files (RFC 1952) of one member, in bounded memory. */
import { Gunzip } from 'fflate';
import { GodwitError } from '../../common/errors.ts';

const TRAILER_BYTES = 8;
/** Deflate makes at most 1032 bytes of one, so that this much input cannot overshoot the limit by more than 16 MiB. */
const CHUNK_BYTES = 16 * 1024;

/**
 * `what` names the file in messages. Throws GodwitError: 'damaged' for a file that is cut short or spoilt, 'limit' when
 * the content is longer than `limitBytes`.
 */
export function gunzip(what: string, file: Uint8Array, limitBytes: number): Uint8Array {
  const chunks = inflate(what, file, limitBytes);
  const content = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let done = 0;
  for (const chunk of chunks) {
    content.set(chunk, done);
    done += chunk.length;
  }
  const trailer = new DataView(file.buffer, file.byteOffset + file.length - TRAILER_BYTES, TRAILER_BYTES);
  if (trailer.getUint32(0, true) !== crc32(content) || trailer.getUint32(4, true) !== content.length >>> 0) {
    throw damaged(what);
  }
  return content;
}

function inflate(what: string, file: Uint8Array, limitBytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let total = 0;
  let finished = false;
  const stream = new Gunzip((chunk, final) => {
    // The library uses its buffer again.
    chunks.push(chunk.slice());
    total += chunk.length;
    finished = final;
  });
  try {
    for (let at = 0; at < file.length && total <= limitBytes; at += CHUNK_BYTES) {
      stream.push(file.subarray(at, at + CHUNK_BYTES), at + CHUNK_BYTES >= file.length);
    }
  } catch (cause) {
    throw damaged(what, cause);
  }
  if (total > limitBytes) {
    throw new GodwitError('limit', `${what} is compressed, and longer than the machine's memory when it is unpacked.`);
  }
  if (!finished || file.length < TRAILER_BYTES) throw damaged(what);
  return chunks;
}

function damaged(what: string, cause?: unknown): GodwitError {
  return new GodwitError('damaged', `${what} is a gzip file that is cut short or spoilt.`, { cause });
}

/** RFC 1952, chapter 8. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  return remainder;
});

function crc32(data: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let index = 0; index < data.length; index++) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ data[index]!) & 0xff]!;
  return ~crc >>> 0;
}
