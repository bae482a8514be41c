import { putAscii } from '../checkpoint/container/layout.ts';
import { RECORD, RECORD_HEADER_BYTES } from './layout.ts';

/** A record as it lies in the file (layout.ts). `inflatedBytes`: 0 when `stored` is the content itself. */
export function frameRecord(
  type: string,
  stored: Uint8Array,
  inflatedBytes: number,
  crc32: (bytes: Uint8Array, previous?: number) => number,
): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER_BYTES + stored.length);
  const view = new DataView(record.buffer);
  view.setUint32(RECORD.length, stored.length, true);
  putAscii(view, RECORD.type, type);
  view.setUint32(RECORD.inflated, inflatedBytes, true);
  record.set(stored, RECORD_HEADER_BYTES);
  view.setUint32(RECORD.checksum, crc32(stored, crc32(record.subarray(0, RECORD.checksum))), true);
  return record;
}
