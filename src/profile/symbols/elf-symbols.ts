/**
 * The symbol table of an ELF64 file (System V ABI, "Sections", "Symbol Table"). Little-endian; offsets in bytes.
 *
 *   file header              section header (64 bytes each)      symbol (24 bytes each)
 *   40   e_shoff             4    sh_type                        0    st_name
 *   58   e_shentsize         24   sh_offset                      4    st_info: type in bits 3:0
 *   60   e_shnum             32   sh_size                        6    st_shndx
 *                            40   sh_link: its string table      8    st_value
 *                                                                16   st_size
 */
import type { GuestSymbol } from './symbol-table.ts';

const ELF_MAGIC = 0x464c457f;
const FILE_HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const SHN_UNDEF = 0;

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly bytes: number;
  readonly link: number;
}

export function isElfFile(file: Uint8Array): boolean {
  return file.length >= FILE_HEADER_BYTES && viewOf(file).getUint32(0, true) === ELF_MAGIC;
}

/** Functions and untyped labels of an ELF file, raised by `bias`. None when it is stripped, or damaged. */
export function readElfSymbols(file: Uint8Array, bias = 0n): GuestSymbol[] {
  const sections = readSections(file);
  const table = sections.find(({ type }) => type === SHT_SYMTAB) ?? sections.find(({ type }) => type === SHT_DYNSYM);
  const names = table && sections[table.link];
  if (!table || !names) return [];
  const view = viewOf(file);
  const typed: GuestSymbol[] = [];
  const untyped: GuestSymbol[] = [];
  for (let at = table.offset; at + SYMBOL_BYTES <= table.offset + table.bytes; at += SYMBOL_BYTES) {
    const type = view.getUint8(at + 4) & 0xf;
    if ((type !== STT_FUNC && type !== STT_NOTYPE) || view.getUint16(at + 6, true) === SHN_UNDEF) continue;
    const name = stringAt(file, names, view.getUint32(at, true));
    // $x and $d mark instructions and data (RISC-V psABI, "Mapping Symbol"); .L are the assembler's own.
    if (name === '' || name.startsWith('$') || name.startsWith('.L')) continue;
    const address = BigInt.asUintN(64, view.getBigUint64(at + 8, true) + bias);
    (type === STT_FUNC ? typed : untyped).push({ address, name, bytes: view.getBigUint64(at + 16, true) });
  }
  return [...typed, ...untyped];
}

function readSections(file: Uint8Array): Section[] {
  if (!isElfFile(file)) return [];
  const view = viewOf(file);
  const start = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  if (view.getUint16(58, true) !== SECTION_HEADER_BYTES || start + count * SECTION_HEADER_BYTES > file.length)
    return [];
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * SECTION_HEADER_BYTES;
    const section = {
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      bytes: Number(view.getBigUint64(at + 32, true)),
      link: view.getUint32(at + 40, true),
    };
    return section.offset + section.bytes <= file.length ? section : { ...section, bytes: 0 };
  });
}

const NAME_LIMIT = 512;

function stringAt(file: Uint8Array, { offset, bytes }: Section, index: number): string {
  if (index >= bytes) return '';
  const start = offset + index;
  const limit = Math.min(offset + bytes, start + NAME_LIMIT);
  let end = start;
  while (end < limit && file[end] !== 0) end++;
  return String.fromCharCode(...file.subarray(start, end));
}

function viewOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.length);
}
