/**
 * Sections of a 64-bit little-endian relocatable ELF file (ELF specification, "ELF Header", "Sections"): what a kernel module
 * of riscv64 is. Every offset and size is checked against the file here, so that users of a section need not.
 */
import { GodwitError } from '../common/errors.ts';

/** Offsets in Elf64_Ehdr, and its size. */
export const EHDR = {
  type: 0x10,
  sectionTableOffset: 0x28,
  sectionEntrySize: 0x3a,
  sectionCount: 0x3c,
  namesIndex: 0x3e,
  bytes: 0x40,
} as const;
/** Offsets in Elf64_Shdr, and its size. */
export const SHDR = {
  name: 0x00,
  type: 0x04,
  offset: 0x18,
  size: 0x20,
  link: 0x28,
  info: 0x2c,
  align: 0x30,
  bytes: 0x40,
} as const;
/** Offsets in Elf64_Sym, and its size. */
export const SYM = { name: 0x00, info: 0x04, section: 0x06, bytes: 0x18 } as const;
/** Offset of the symbol's index in Elf64_Rela, and its size. */
export const RELA = { symbol: 0x0c, bytes: 0x18 } as const;

export const SHT = { null: 0, symtab: 2, strtab: 3, rela: 4, nobits: 8 } as const;
export const SHN_UNDEF = 0;
export const STB_LOCAL = 0;
export const STT_FUNC = 2;
const ET_REL = 1;
/** "\x7fELF" */
const MAGIC = 0x7f454c46;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const MAX_ALIGN = 65536;

export interface ElfSection {
  name: string;
  type: number;
  link: number;
  align: number;
  /** Empty for sections that take no room in the file. */
  content: Uint8Array;
  /** Its entry in the section table. */
  header: Uint8Array;
}

export interface SymbolTable {
  symbols: ElfSection;
  names: ElfSection;
  count: number;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function damagedModule(what: string, why: string): GodwitError {
  return new GodwitError('damaged', `The kernel module ${what} can't be read: ${why}.`);
}

/** The NUL-terminated string at an offset of a string table. */
export function stringAt(table: Uint8Array, offset: number, what: string): string {
  const end = offset < table.length ? table.indexOf(0, offset) : -1;
  if (end < 0) throw damagedModule(what, 'a name leaves its string table');
  return Buffer.from(table.buffer, table.byteOffset + offset, end - offset).toString('latin1');
}

function readSection(file: Uint8Array, at: number, what: string): Omit<ElfSection, 'name'> {
  const header = file.subarray(at, at + SHDR.bytes);
  const view = viewOf(header);
  const type = view.getUint32(SHDR.type, true);
  const inFile = type !== SHT.nobits && type !== SHT.null;
  const offset = inFile ? Number(view.getBigUint64(SHDR.offset, true)) : 0;
  const size = inFile ? Number(view.getBigUint64(SHDR.size, true)) : 0;
  const align = Number(view.getBigUint64(SHDR.align, true));
  if (offset + size > file.length) throw damagedModule(what, 'a section leaves the file');
  if (align > MAX_ALIGN || (align & (align - 1)) !== 0)
    throw damagedModule(what, 'a section has an impossible alignment');
  return { type, link: view.getUint32(SHDR.link, true), align, content: file.subarray(offset, offset + size), header };
}

/** All sections. `what` names the file in messages. Throws GodwitError('damaged') if it is not such a file. */
export function readElfSections(file: Uint8Array, what: string): ElfSection[] {
  const view = viewOf(file);
  if (file.length < EHDR.bytes || view.getUint32(0) !== MAGIC || file[4] !== CLASS_64 || file[5] !== LITTLE_ENDIAN) {
    throw damagedModule(what, 'it is not a 64-bit ELF file');
  }
  if (view.getUint16(EHDR.type, true) !== ET_REL) throw damagedModule(what, 'it is not a relocatable file');
  const table = Number(view.getBigUint64(EHDR.sectionTableOffset, true));
  const count = view.getUint16(EHDR.sectionCount, true);
  const entryBytes = view.getUint16(EHDR.sectionEntrySize, true);
  if (entryBytes !== SHDR.bytes || table + count * SHDR.bytes > file.length) {
    throw damagedModule(what, 'its section table is broken');
  }
  const raw = Array.from({ length: count }, (_, index) => readSection(file, table + index * SHDR.bytes, what));
  const names = raw[view.getUint16(EHDR.namesIndex, true)];
  if (names === undefined) throw damagedModule(what, 'its section names are missing');
  return raw.map((section) => ({
    ...section,
    name: stringAt(names.content, viewOf(section.header).getUint32(SHDR.name, true), what),
  }));
}

/** The symbol table and its strings, if the file has them. */
export function findSymbolTable(sections: readonly ElfSection[]): SymbolTable | undefined {
  const symbols = sections.find((section) => section.type === SHT.symtab);
  const names = symbols === undefined ? undefined : sections[symbols.link];
  if (symbols === undefined || names === undefined || names.type !== SHT.strtab) return undefined;
  return { symbols, names, count: Math.floor(symbols.content.length / SYM.bytes) };
}
