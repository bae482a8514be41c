import type { Codec } from '../../platform/codec.ts';
import { type FileKind, fileHeader } from './header.ts';
import {
  END_MARK,
  ENTRY,
  ENTRY_BYTES,
  putAscii,
  SECTION_PIECEWISE,
  SECTION_REQUIRED,
  TRAILER,
  TRAILER_BYTES,
} from './layout.ts';

export interface SectionOptions {
  /** Readers that do not know the type refuse the file. */
  readonly required?: boolean;
  /** Its pieces have checksums of their own. */
  readonly piecewise?: boolean;
  readonly instance?: number;
}

interface WrittenSection {
  readonly type: string;
  readonly flags: number;
  readonly instance: number;
  readonly offset: number;
  lengthBytes: number;
  checksum: number;
}

/**
 * Makes a container from front to back. Each call gives the bytes to append next; nothing is ever gone back to, so the
 * bytes can go anywhere.
 *
 *     start, (begin, add..., )..., finish
 */
export class ContainerWriter {
  private readonly codec: Codec;
  private readonly sections: WrittenSection[] = [];
  private offset = 0;

  constructor(codec: Codec) {
    this.codec = codec;
  }

  start(kind: Omit<FileKind, 'kindName'>): Uint8Array {
    const header = fileHeader(kind, this.codec.crc32);
    this.offset = header.length;
    return header;
  }

  /** What is added from now on belongs to a new section. */
  begin(type: string, { required = false, piecewise = false, instance = 0 }: SectionOptions = {}): void {
    const flags = (required ? SECTION_REQUIRED : 0) | (piecewise ? SECTION_PIECEWISE : 0);
    this.sections.push({ type, flags, instance, offset: this.offset, lengthBytes: 0, checksum: 0 });
  }

  add(bytes: Uint8Array): Uint8Array {
    const section = this.sections.at(-1)!;
    section.lengthBytes += bytes.length;
    if (!(section.flags & SECTION_PIECEWISE)) section.checksum = this.codec.crc32(bytes, section.checksum);
    this.offset += bytes.length;
    return bytes;
  }

  /** The table and the trailer. */
  finish(): Uint8Array {
    const tableBytes = this.sections.length * ENTRY_BYTES;
    const end = new Uint8Array(tableBytes + TRAILER_BYTES);
    for (const [index, section] of this.sections.entries()) {
      putEntry(new DataView(end.buffer, index * ENTRY_BYTES, ENTRY_BYTES), section);
    }
    const trailer = new DataView(end.buffer, tableBytes, TRAILER_BYTES);
    trailer.setBigUint64(TRAILER.table, BigInt(this.offset), true);
    trailer.setBigUint64(TRAILER.fileBytes, BigInt(this.offset + end.length), true);
    trailer.setUint32(TRAILER.sections, this.sections.length, true);
    trailer.setUint32(TRAILER.tableChecksum, this.codec.crc32(end.subarray(0, tableBytes)), true);
    const checked = end.subarray(tableBytes, tableBytes + TRAILER.checksum);
    trailer.setUint32(TRAILER.checksum, this.codec.crc32(checked), true);
    putAscii(trailer, TRAILER.endMark, END_MARK);
    return end;
  }
}

function putEntry(view: DataView, section: WrittenSection): void {
  putAscii(view, ENTRY.type, section.type);
  view.setUint32(ENTRY.flags, section.flags, true);
  view.setBigUint64(ENTRY.offset, BigInt(section.offset), true);
  view.setBigUint64(ENTRY.length, BigInt(section.lengthBytes), true);
  view.setUint32(ENTRY.instance, section.instance, true);
  view.setUint32(ENTRY.checksum, section.checksum, true);
}
