import { GodwitError } from '../../common/errors.ts';
import type { ByteSource } from '../../platform/byte-source.ts';
import type { Codec } from '../../platform/codec.ts';
import { madeByNewer } from '../../state/format-errors.ts';
import { checkFileHeader, type FileKind } from './header.ts';
import {
  asciiAt,
  END_MARK,
  ENTRY,
  ENTRY_BYTES,
  HEADER_BYTES,
  MAXIMUM_SECTIONS,
  MAXIMUM_WHOLE_SECTION_BYTES,
  SECTION_FLAGS,
  SECTION_PIECEWISE,
  SECTION_REQUIRED,
  TRAILER,
  TRAILER_BYTES,
} from './layout.ts';

export interface Section {
  readonly type: string;
  readonly instance: number;
  readonly required: boolean;
  readonly piecewise: boolean;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly checksum: number;
}

export interface ContainerExpectations extends FileKind {
  /** Types of sections that the caller understands. */
  readonly known: readonly string[];
}

/**
 * The sections of a container. Opening it reads and checks the header, the trailer and the table; each section is
 * checked when it is read. Nothing is allocated by a length that has not been held against the length of the file.
 */
export class Container {
  readonly source: ByteSource;
  readonly sections: readonly Section[];
  private readonly codec: Codec;

  private constructor(source: ByteSource, codec: Codec, sections: readonly Section[]) {
    this.source = source;
    this.codec = codec;
    this.sections = sections;
  }

  /** Throws GodwitError 'damaged' and 'unsupported'. The source stays the caller's until this returns. */
  static open(source: ByteSource, codec: Codec, expected: ContainerExpectations): Container {
    checkFileHeader(source, expected, codec.crc32);
    const sections = readTable(source, codec);
    const strange = sections.find(({ type, required }) => required && !expected.known.includes(type));
    if (strange) {
      throw madeByNewer(source.name, `it needs "${strange.type}", which this one does not know`);
    }
    return new Container(source, codec, sections);
  }

  find(type: string, instance = 0): Section | undefined {
    return this.sections.find((section) => section.type === type && section.instance === instance);
  }

  get(type: string, instance = 0): Section {
    const section = this.find(type, instance);
    if (!section) throw damaged(this.source, `its section ${type} is missing`);
    return section;
  }

  /** A whole section, checked. */
  read(section: Section, maximumBytes = MAXIMUM_WHOLE_SECTION_BYTES): Uint8Array {
    if (section.piecewise) throw damaged(this.source, `its section ${section.type} cannot be checked as a whole`);
    if (section.lengthBytes > maximumBytes) throw damaged(this.source, `its section ${section.type} is too long`);
    const bytes = new Uint8Array(section.lengthBytes);
    this.source.read(section.offset, bytes);
    if (this.codec.crc32(bytes) !== section.checksum) {
      throw damaged(this.source, `the checksum of its section ${section.type} is wrong`);
    }
    return bytes;
  }

  close(): void {
    this.source.close();
  }
}

export function damaged(source: ByteSource, reason: string, cause?: unknown): GodwitError {
  return new GodwitError('damaged', `${source.name} is damaged: ${reason}.`, cause === undefined ? {} : { cause });
}

function readTable(source: ByteSource, codec: Codec): Section[] {
  const { offset, count, checksum } = readTrailer(source, codec);
  const table = new Uint8Array(count * ENTRY_BYTES);
  source.read(offset, table);
  if (codec.crc32(table) !== checksum) throw damaged(source, 'the checksum of its section table is wrong');
  const sections: Section[] = [];
  const seen = new Set<string>();
  let end = HEADER_BYTES;
  for (let at = 0; at < table.length; at += ENTRY_BYTES) {
    const section = readEntry(source, new DataView(table.buffer, at, ENTRY_BYTES));
    const { type, instance } = section;
    if (section.offset !== end || section.offset + section.lengthBytes > offset) {
      throw damaged(source, `its section ${type} is not where it should be`);
    }
    if (seen.has(`${type}${instance}`)) throw damaged(source, `it has two sections ${type}`);
    seen.add(`${type}${instance}`);
    end += section.lengthBytes;
    sections.push(section);
  }
  if (end !== offset) throw damaged(source, 'there is something between its sections');
  return sections;
}

function readTrailer(source: ByteSource, codec: Codec): { offset: number; count: number; checksum: number } {
  if (source.sizeBytes < HEADER_BYTES + TRAILER_BYTES) throw damaged(source, 'it is cut short');
  const bytes = new Uint8Array(TRAILER_BYTES);
  source.read(source.sizeBytes - TRAILER_BYTES, bytes);
  const view = new DataView(bytes.buffer);
  const isWhole = asciiAt(view, TRAILER.endMark) === END_MARK;
  if (!isWhole || view.getUint32(TRAILER.checksum, true) !== codec.crc32(bytes.subarray(0, TRAILER.checksum))) {
    throw damaged(source, 'its end is missing or wrong');
  }
  const offset = Number(view.getBigUint64(TRAILER.table, true));
  const count = view.getUint32(TRAILER.sections, true);
  const fileBytes = Number(view.getBigUint64(TRAILER.fileBytes, true));
  const tableBytes = source.sizeBytes - TRAILER_BYTES - offset;
  if (fileBytes !== source.sizeBytes || tableBytes !== count * ENTRY_BYTES || count > MAXIMUM_SECTIONS) {
    throw damaged(source, 'its length is wrong');
  }
  return { offset, count, checksum: view.getUint32(TRAILER.tableChecksum, true) };
}

function readEntry(source: ByteSource, view: DataView): Section {
  const type = asciiAt(view, ENTRY.type);
  const flags = view.getUint32(ENTRY.flags, true);
  if (flags & ~SECTION_FLAGS) {
    throw madeByNewer(source.name, `its section "${type}" is of a kind that this one does not know`);
  }
  return {
    type,
    instance: view.getUint32(ENTRY.instance, true),
    required: (flags & SECTION_REQUIRED) !== 0,
    piecewise: (flags & SECTION_PIECEWISE) !== 0,
    offset: Number(view.getBigUint64(ENTRY.offset, true)),
    lengthBytes: Number(view.getBigUint64(ENTRY.length, true)),
    checksum: view.getUint32(ENTRY.checksum, true),
  };
}
