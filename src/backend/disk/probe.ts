import { GodwitError } from '../../common/errors.ts';
import type { ByteFile } from '../../platform/files.ts';
import { BYTE_FILE } from './arguments.ts';

/** Formats of images that godwit reads and writes. */
export type DiskFormat = 'raw' | 'qcow2';

/**
 * First bytes of image formats that godwit does not read. Taken as raw they would give a guest nonsense, so they are
 * named.
 */
const FOREIGN_FORMATS: readonly { name: string; magic: readonly number[] }[] = [
  { name: 'VMDK', magic: ascii('KDMV') },
  { name: 'VMDK descriptor', magic: ascii('# Disk Desc') },
  { name: 'VHDX', magic: ascii('vhdxfile') },
  { name: 'VHD', magic: ascii('conectix') },
  { name: 'QED', magic: [...ascii('QED'), 0] },
  { name: 'VDI', magic: ascii('<<< ') },
];

/** The four magic bytes "QFI\xfb" of a qcow2 image. */
export function looksLikeQcow2(start: Uint8Array): boolean {
  return startsWith(start, [0x51, 0x46, 0x49, 0xfb]);
}

/** Tells the format by the first bytes. What is not known is raw, as a disk full of any data is. */
export async function probeFormat(file: ByteFile): Promise<DiskFormat> {
  BYTE_FILE.parse(file, 'file');
  const start = new Uint8Array(16);
  await file.read(0, start);
  if (looksLikeQcow2(start)) return 'qcow2';
  const foreign = FOREIGN_FORMATS.find((format) => startsWith(start, format.magic));
  if (foreign !== undefined) {
    throw new GodwitError('unsupported', `${file.name} is a ${foreign.name} image, which godwit does not read.`, {
      hint: 'Convert it with "qemu-img convert -O qcow2", or name the format raw to use its bytes as they are.',
    });
  }
  return 'raw';
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((value, index) => bytes[index] === value);
}

function ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}
