import { asciiAt, HEADER_BYTES } from '../checkpoint/container/layout.ts';
import { GodwitError } from '../common/errors.ts';
import type { ByteSource } from '../platform/byte-source.ts';
import type { Codec } from '../platform/codec.ts';
import { RECORD, RECORD_HEADER_BYTES } from './layout.ts';

const CHECK_BYTES = 1024 ** 2;
/** Deflate never does better than 1032 to 1. */
const MOST_INFLATION = 1032;

/** Where a record is, with a checksum that was right. */
export interface RecordPlace {
  readonly type: string;
  /** Of the record's header. */
  readonly offset: number;
  readonly storedBytes: number;
  /** 0: it is stored as it is. */
  readonly inflatedBytes: number;
}

/** Why there are no further records. */
export type ScanEnd =
  | { readonly kind: 'whole' }
  /** The last record is incomplete: whoever wrote it was interrupted. */
  | { readonly kind: 'cut'; readonly offset: number }
  | { readonly kind: 'damaged'; readonly offset: number };

/** Complete and undamaged records from the first on, or from the one at `from` on. */
export function* scanRecords(source: ByteSource, codec: Codec, from = HEADER_BYTES): Generator<RecordPlace, ScanEnd> {
  const header = new Uint8Array(RECORD_HEADER_BYTES);
  const view = new DataView(header.buffer);
  let offset = from;
  while (offset < source.sizeBytes) {
    const left = source.sizeBytes - offset - RECORD_HEADER_BYTES;
    if (left < 0) return { kind: 'cut', offset };
    source.read(offset, header);
    const storedBytes = view.getUint32(RECORD.length, true);
    const inflatedBytes = view.getUint32(RECORD.inflated, true);
    const type = asciiAt(view, RECORD.type);
    if (storedBytes > left) return { kind: isType(type) ? 'cut' : 'damaged', offset };
    const first = codec.crc32(header.subarray(0, RECORD.checksum));
    const checksum = checksumOf(source, codec, offset + RECORD_HEADER_BYTES, storedBytes, first);
    if (checksum !== view.getUint32(RECORD.checksum, true)) return { kind: 'damaged', offset };
    if (inflatedBytes > (storedBytes + 1) * MOST_INFLATION) return { kind: 'damaged', offset };
    const place = { type, offset, storedBytes, inflatedBytes };
    yield place;
    offset = endOfRecord(place);
  }
  return { kind: 'whole' };
}

/** Where the record after this one is. */
export function endOfRecord({ offset, storedBytes }: RecordPlace): number {
  return offset + RECORD_HEADER_BYTES + storedBytes;
}

function isType(type: string): boolean {
  return /^[A-Za-z.]{4}$/.test(type);
}

function checksumOf(source: ByteSource, codec: Codec, start: number, length: number, first: number): number {
  let checksum = first;
  for (let done = 0; done < length; done += CHECK_BYTES) {
    const piece = new Uint8Array(Math.min(CHECK_BYTES, length - done));
    source.read(start + done, piece);
    checksum = codec.crc32(piece, checksum);
  }
  return checksum;
}

/** What a record holds. Throws GodwitError('damaged'). */
export function readRecord(source: ByteSource, codec: Codec, place: RecordPlace): Uint8Array {
  const stored = new Uint8Array(place.storedBytes);
  source.read(place.offset + RECORD_HEADER_BYTES, stored);
  if (place.inflatedBytes === 0) return stored;
  try {
    return codec.inflate(stored, place.inflatedBytes);
  } catch (cause) {
    throw new GodwitError('damaged', `${source.name} is damaged: a part of it cannot be inflated.`, {
      cause,
    });
  }
}
