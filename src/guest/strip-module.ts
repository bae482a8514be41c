/**
 * Makes a kernel module smaller without touching its code: drops the symbols that no relocation refers to, and the signature
 * that follows the file. RISC-V modules carry one local symbol for each label that linker relaxation might move: ext4.ko is
 * 7 MB, 5 MB of it such symbols. The kernel hashes all of it to check the signature, then copies and walks all of it, and
 * loading what a disk needs takes 2.7 thousand million instructions instead of 0.3.
 *
 * What is trusted does not change: the module came out of a package that Debian signed, and the kernel (which does not
 * enforce module signatures) notes a module without one as taint E.
 */
import { GodwitError } from '../common/errors.ts';

/** Offsets in Elf64_Ehdr, Elf64_Shdr, Elf64_Sym and Elf64_Rela (ELF specification). */
const EHDR = { sectionTableOffset: 0x28, sectionCount: 0x3c, size: 0x40 };
const SHDR = { type: 0x04, offset: 0x18, size: 0x20, link: 0x28, info: 0x2c, align: 0x30, bytes: 0x40 };
const SYM = { name: 0x00, info: 0x04, bytes: 0x18 };
const RELA = { symbol: 0x0c, bytes: 0x18 };
const SHT_SYMTAB = 2;
const SHT_RELA = 4;
const SHT_NOBITS = 8;
const STB_LOCAL = 0;
const STT_FUNC = 2;
const SECTION_ALIGN = 8;

interface Section {
  type: number;
  link: number;
  align: number;
  content: Uint8Array;
  header: Uint8Array;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readSections(file: Uint8Array, what: string): Section[] {
  const view = viewOf(file);
  const broken = (): GodwitError => new GodwitError('damaged', `The kernel module ${what} can't be read.`);
  if (file.length < EHDR.size || view.getUint32(0) !== 0x7f454c46) throw broken();
  const table = Number(view.getBigUint64(EHDR.sectionTableOffset, true));
  const count = view.getUint16(EHDR.sectionCount, true);
  if (table + count * SHDR.bytes > file.length) throw broken();
  return Array.from({ length: count }, (_, index) => {
    const header = file.slice(table + index * SHDR.bytes, table + (index + 1) * SHDR.bytes);
    const fields = viewOf(header);
    const type = fields.getUint32(SHDR.type, true);
    const offset = Number(fields.getBigUint64(SHDR.offset, true));
    const size = type === SHT_NOBITS || type === 0 ? 0 : Number(fields.getBigUint64(SHDR.size, true));
    if (offset + size > file.length) throw broken();
    return {
      type,
      link: fields.getUint32(SHDR.link, true),
      align: Number(fields.getBigUint64(SHDR.align, true)),
      content: file.slice(offset, offset + size),
      header,
    };
  });
}

/** Which symbols stay: those that a relocation names, what binds to other modules, and functions, for readable traces. */
function symbolsToKeep(sections: readonly Section[], symbols: Section): boolean[] {
  const count = Math.floor(symbols.content.length / SYM.bytes);
  const keep = new Array<boolean>(count).fill(false);
  keep[0] = true; // the null symbol
  for (const section of sections) {
    if (section.type !== SHT_RELA) continue;
    const view = viewOf(section.content);
    for (let at = 0; at + RELA.bytes <= section.content.length; at += RELA.bytes) {
      const symbol = view.getUint32(at + RELA.symbol, true);
      if (symbol < count) keep[symbol] = true;
    }
  }
  const view = viewOf(symbols.content);
  for (let index = 1; index < count; index++) {
    const info = view.getUint8(index * SYM.bytes + SYM.info);
    if (info >> 4 !== STB_LOCAL || (info & 15) === STT_FUNC) keep[index] = true;
  }
  return keep;
}

/** Copies the kept symbols and their names; gives the new index of each old one. Order is kept, so locals stay first. */
function rebuildSymbols(symbols: Section, names: Section, keep: readonly boolean[]): Map<number, number> {
  const renumbered = new Map<number, number>();
  const kept = keep.flatMap((yes, index) => (yes ? [index] : []));
  const table = new Uint8Array(kept.length * SYM.bytes);
  const tableView = viewOf(table);
  const strings: Uint8Array[] = [new Uint8Array(1)];
  const offsets = new Map<string, number>();
  let stringBytes = 1;
  let locals = 0;
  kept.forEach((old, index) => {
    renumbered.set(old, index);
    const symbol = symbols.content.subarray(old * SYM.bytes, (old + 1) * SYM.bytes);
    table.set(symbol, index * SYM.bytes);
    if ((symbol[SYM.info] ?? 0) >> 4 === STB_LOCAL) locals = index + 1;
    const start = viewOf(symbol).getUint32(SYM.name, true);
    const name = names.content.subarray(start, names.content.indexOf(0, start) + 1);
    const text = Buffer.from(name).toString('latin1');
    let offset = start === 0 ? 0 : offsets.get(text);
    if (offset === undefined) {
      offset = stringBytes;
      offsets.set(text, offset);
      strings.push(name);
      stringBytes += name.length;
    }
    tableView.setUint32(index * SYM.bytes + SYM.name, offset, true);
  });
  symbols.content = table;
  viewOf(symbols.header).setUint32(SHDR.info, locals, true);
  names.content = new Uint8Array(Buffer.concat(strings, stringBytes));
  return renumbered;
}

function renumberRelocations(sections: readonly Section[], renumbered: ReadonlyMap<number, number>): void {
  for (const section of sections) {
    if (section.type !== SHT_RELA) continue;
    const view = viewOf(section.content);
    for (let at = 0; at + RELA.bytes <= section.content.length; at += RELA.bytes) {
      const symbol = view.getUint32(at + RELA.symbol, true);
      view.setUint32(at + RELA.symbol, renumbered.get(symbol) ?? 0, true);
    }
  }
}

/** The file again: header, sections in their order, section table. */
function layOut(file: Uint8Array, sections: readonly Section[]): Uint8Array {
  const parts: Uint8Array[] = [file.slice(0, EHDR.size)];
  let offset = EHDR.size;
  const pad = (align: number): void => {
    const gap = (align - (offset % align)) % align;
    parts.push(new Uint8Array(gap));
    offset += gap;
  };
  for (const section of sections) {
    const header = viewOf(section.header);
    if (section.type === 0) continue;
    pad(Math.max(1, section.align));
    header.setBigUint64(SHDR.offset, BigInt(offset), true);
    if (section.type !== SHT_NOBITS) header.setBigUint64(SHDR.size, BigInt(section.content.length), true);
    parts.push(section.content);
    offset += section.content.length;
  }
  pad(SECTION_ALIGN);
  viewOf(parts[0]!).setBigUint64(EHDR.sectionTableOffset, BigInt(offset), true);
  return new Uint8Array(Buffer.concat([...parts, ...sections.map((section) => section.header)]));
}

/** The module without unused symbols and without its signature. `what` names it in messages. */
export function stripModule(file: Uint8Array, what: string): Uint8Array {
  const sections = readSections(file, what);
  const symbols = sections.find((section) => section.type === SHT_SYMTAB);
  const names = symbols === undefined ? undefined : sections[symbols.link];
  if (symbols === undefined || names === undefined || names.header === symbols.header) {
    throw new GodwitError('damaged', `The kernel module ${what} has no symbol table.`);
  }
  const keep = symbolsToKeep(sections, symbols);
  const renumbered = rebuildSymbols(symbols, names, keep);
  renumberRelocations(sections, renumbered);
  return layOut(file, sections);
}
