/**
 * The container that checkpoints are in. Integers are little-endian, types are four ASCII characters, checksums are
 * CRC-32.
 *
 *     header         32 bytes
 *     sections       one after the other, without gaps
 *     section table  32 bytes for each section, in their order
 *     trailer        32 bytes, the last of the file
 *
 * Header
 *      0  8  magic
 *      8  4  kind: what the file is for
 *     12  4  version of the format, which each kind of file has of its own
 *     16 12  zero
 *     28  4  checksum of bytes 0 to 27
 *
 * Entry of the section table
 *      0  4  type
 *      4  4  flags: SECTION_*
 *      8  8  offset in the file
 *     16  8  length in bytes
 *     24  4  instance: tells sections of one type apart
 *     28  4  checksum of the section; 0 with SECTION_PIECEWISE
 *
 * Trailer
 *      0  8  offset of the section table
 *      8  8  length of the whole file in bytes
 *     16  4  number of sections
 *     20  4  checksum of the section table
 *     24  4  checksum of bytes 0 to 23
 *     28  4  end mark
 *
 * docs/FORMATS.md has the rules for changing it.
 */
export const HEADER_BYTES = 32;
export const ENTRY_BYTES = 32;
export const TRAILER_BYTES = 32;

/** As in PNG: a byte that is no text, a name, and a line feed that a transfer as text would change. */
export const MAGIC = Uint8Array.of(0x89, 0x47, 0x4f, 0x44, 0x57, 0x49, 0x54, 0x0a);
export const END_MARK = 'END\n';

export const HEADER = { kind: 8, version: 12, checksum: 28 } as const;
export const ENTRY = { type: 0, flags: 4, offset: 8, length: 16, instance: 24, checksum: 28 } as const;
export const TRAILER = { table: 0, fileBytes: 8, sections: 16, tableChecksum: 20, checksum: 24, endMark: 28 } as const;

/** A reader that does not know the type must refuse the file. Sections without it are skipped. */
export const SECTION_REQUIRED = 1;
/** The section's content says how its pieces are checked, so that they can be read one by one. */
export const SECTION_PIECEWISE = 2;
export const SECTION_FLAGS = SECTION_REQUIRED | SECTION_PIECEWISE;

export const MAXIMUM_SECTIONS = 4096;
/** Longer sections are only ever read in pieces. */
export const MAXIMUM_WHOLE_SECTION_BYTES = 256 * 1024 ** 2;

export function putAscii(view: DataView, offset: number, text: string): void {
  for (let i = 0; i < 4; i++) view.setUint8(offset + i, text.charCodeAt(i));
}

export function asciiAt(view: DataView, offset: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(offset + i)));
}
