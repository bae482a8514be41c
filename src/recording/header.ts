import { asciiAt, HEADER, HEADER_BYTES, MAGIC, putAscii } from '../checkpoint/container/layout.ts';
import { GodwitError } from '../common/errors.ts';
import type { ByteSource } from '../platform/byte-source.ts';
import { RECORDING_KIND, RECORDING_VERSION } from './layout.ts';

type Checksum = (bytes: Uint8Array, previous?: number) => number;

export function fileHeader(crc32: Checksum): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(MAGIC);
  putAscii(view, HEADER.kind, RECORDING_KIND);
  view.setUint32(HEADER.version, RECORDING_VERSION, true);
  view.setUint32(HEADER.checksum, crc32(header.subarray(0, HEADER.checksum)), true);
  return header;
}

/** Throws GodwitError 'damaged' and 'unsupported'. */
export function checkFileHeader(source: ByteSource, crc32: Checksum): void {
  const header = new Uint8Array(Math.min(HEADER_BYTES, source.sizeBytes));
  source.read(0, header);
  if (MAGIC.some((byte, index) => header[index] !== byte)) {
    throw new GodwitError('unsupported', `${source.name} is not a recording of godwit.`);
  }
  if (header.length < HEADER_BYTES) throw new GodwitError('damaged', `${source.name} is damaged: it is cut short.`);
  const view = new DataView(header.buffer);
  if (view.getUint32(HEADER.checksum, true) !== crc32(header.subarray(0, HEADER.checksum))) {
    throw new GodwitError('damaged', `${source.name} is damaged: the checksum of its header is wrong.`);
  }
  const kind = asciiAt(view, HEADER.kind);
  if (kind !== RECORDING_KIND) {
    throw new GodwitError('unsupported', `${source.name} is not a recording, but a "${kind}" of godwit.`);
  }
  const version = view.getUint32(HEADER.version, true);
  if (version !== RECORDING_VERSION) {
    throw new GodwitError('unsupported', `${source.name} has version ${version} of the recordings' format.`, {
      hint:
        version > RECORDING_VERSION
          ? 'It was made by a newer godwit: update this one.'
          : `This godwit reads version ${RECORDING_VERSION}.`,
    });
  }
}
