import { GodwitError } from '../../common/errors.ts';
import type { ByteSource } from '../../platform/byte-source.ts';
import { madeByOthers, requireVersion } from '../../state/format-errors.ts';
import { asciiAt, HEADER, HEADER_BYTES, MAGIC, putAscii } from './layout.ts';

type Checksum = (bytes: Uint8Array, previous?: number) => number;

/** What the header of a file says. */
export interface FileKind {
  readonly kind: string;
  /** For messages: "checkpoint". */
  readonly kindName: string;
  readonly version: number;
}

/** What people call the kinds of files that there are. */
const KIND_NAMES: Readonly<Record<string, string>> = { CKPT: 'checkpoint', RECO: 'recording' };

export function fileHeader({ kind, version }: Omit<FileKind, 'kindName'>, crc32: Checksum): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  putAscii(view, HEADER.kind, kind);
  view.setUint32(HEADER.version, version, true);
  view.setUint32(HEADER.checksum, crc32(header.subarray(0, HEADER.checksum)), true);
  return header;
}

/** Throws GodwitError 'damaged', and 'unsupported' for files of others, of another kind, and newer and older ones. */
export function checkFileHeader(source: ByteSource, { kind, kindName, version }: FileKind, crc32: Checksum): void {
  const header = new Uint8Array(Math.min(HEADER_BYTES, source.sizeBytes));
  source.read(0, header);
  if (MAGIC.some((byte, index) => header[index] !== byte)) throw madeByOthers(source.name, kindName, header);
  if (header.length < HEADER_BYTES) throw new GodwitError('damaged', `${source.name} is damaged: it is cut short.`);
  const view = new DataView(header.buffer);
  if (view.getUint32(HEADER.checksum, true) !== crc32(header.subarray(0, HEADER.checksum))) {
    throw new GodwitError('damaged', `${source.name} is damaged: the checksum of its header is wrong.`);
  }
  const found = asciiAt(view, HEADER.kind);
  if (found !== kind) {
    const is = KIND_NAMES[found] ?? `"${found}"`;
    throw new GodwitError('unsupported', `${source.name} is not a ${kindName}, but a ${is} of godwit.`);
  }
  requireVersion(source.name, view.getUint32(HEADER.version, true), version);
}
