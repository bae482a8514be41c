import { checkFileHeader as check, type FileKind, fileHeader as make } from '../checkpoint/container/header.ts';
import type { ByteSource } from '../platform/byte-source.ts';
import { RECORDING_KIND, RECORDING_VERSION } from './layout.ts';

type Checksum = (bytes: Uint8Array, previous?: number) => number;

const RECORDING: FileKind = { kind: RECORDING_KIND, kindName: 'recording', version: RECORDING_VERSION };

export function fileHeader(crc32: Checksum): Uint8Array {
  return make(RECORDING, crc32);
}

/** Throws GodwitError 'damaged' and 'unsupported'. */
export function checkFileHeader(source: ByteSource, crc32: Checksum): void {
  check(source, RECORDING, crc32);
}
