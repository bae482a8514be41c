/**
 * Makes a kernel module smaller without touching its code: drops the symbols that no relocation refers to, and the
 * signature that follows the file. RISC-V modules carry one local symbol for each label that linker relaxation might
 * move: ext4.ko is 7 MB, 5 MB of it such symbols. The kernel hashes all of it to check the signature, then copies and
 * walks all of it, and loading what a disk needs takes 2.7 thousand million instructions instead of 0.3.
 *
 * What is trusted does not change: the module came out of a package that Debian signed, and the kernel (which does not
 * enforce module signatures) notes a module without one as taint E.
 */
import { viewOf } from '../common/elf/elf-file.ts';
import { EHDR, RELA, SHDR, SHT, STT_FUNC, SYM } from '../common/elf/format.ts';
import type { SymbolTable } from '../common/elf/symbol-table.ts';
import { damagedModule, type ModuleSection, readModuleFile, setHeaderField } from './module-file.ts';

/** The section table's place is a multiple of this. */
const TABLE_ALIGN = 8;
/** More than the alignment of all sections of a module takes. */
const PADDING_LIMIT_BYTES = 16 * 1024 ** 2;

/** Calls back with the place of the symbol index of each relocation. */
function forEachRelocation(sections: readonly ModuleSection[], visit: (view: DataView, at: number) => void): void {
  for (const section of sections) {
    if (section.type !== SHT.rela) continue;
    const view = viewOf(section.content);
    for (let at = 0; at + RELA.bytes <= section.content.length; at += RELA.bytes) visit(view, at + RELA.symbol);
  }
}

/**
 * Which symbols stay: those that a relocation names, what binds to other modules, and functions, for readable traces.
 */
function symbolsToKeep(sections: readonly ModuleSection[], table: SymbolTable, what: string): boolean[] {
  const keep = new Array<boolean>(table.count).fill(false);
  if (table.count > 0) keep[0] = true; // the null symbol
  forEachRelocation(sections, (view, at) => {
    const symbol = view.getUint32(at, true);
    if (symbol >= table.count) throw damagedModule(what, 'a relocation names no symbol');
    keep[symbol] = true;
  });
  for (let index = 1; index < table.count; index++) {
    if (!table.isLocal(index) || table.type(index) === STT_FUNC) keep[index] = true;
  }
  return keep;
}

interface RebuiltTable {
  symbols: Uint8Array;
  names: Uint8Array;
  /** How many local symbols there are, the null symbol included. */
  locals: number;
  /** New index by old index. */
  renumbered: ReadonlyMap<number, number>;
}

/** The kept symbols and their names. Order is kept, so locals stay first. */
function rebuildTable(table: SymbolTable, keep: readonly boolean[]): RebuiltTable {
  const kept = keep.flatMap((yes, index) => (yes ? [index] : []));
  const symbols = new Uint8Array(kept.length * SYM.bytes);
  const view = viewOf(symbols);
  const nameOffsets = new Map<string, number>([['', 0]]);
  const names: string[] = ['\0'];
  let nameBytes = 1;
  let locals = 0;
  kept.forEach((old, index) => {
    symbols.set(table.bytes.subarray(old * SYM.bytes, (old + 1) * SYM.bytes), index * SYM.bytes);
    const name = table.name(old);
    if (!nameOffsets.has(name)) {
      nameOffsets.set(name, nameBytes);
      names.push(`${name}\0`);
      nameBytes += name.length + 1;
    }
    view.setUint32(index * SYM.bytes + SYM.name, nameOffsets.get(name) ?? 0, true);
    if (table.isLocal(old)) locals = index + 1;
  });
  const renumbered = new Map(kept.map((old, index) => [old, index]));
  return { symbols, names: Buffer.from(names.join(''), 'latin1'), locals, renumbered };
}

/** The file again: header, sections in their order, section table. */
function layOut(elfHeader: Uint8Array, sections: readonly ModuleSection[], what: string): Uint8Array {
  const parts: Uint8Array[] = [elfHeader];
  let offset = elfHeader.length;
  let paddingBytes = 0;
  const pad = (align: number): void => {
    const gap = (align - (offset % align)) % align;
    paddingBytes += gap;
    if (paddingBytes > PADDING_LIMIT_BYTES) throw damagedModule(what, 'its sections are aligned to too much');
    parts.push(new Uint8Array(gap));
    offset += gap;
  };
  for (const section of sections) {
    if (section.type === SHT.null) continue;
    pad(Math.max(1, section.align));
    setHeaderField(section, SHDR.offset, offset);
    if (section.type !== SHT.nobits) setHeaderField(section, SHDR.size, section.content.length);
    parts.push(section.content);
    offset += section.content.length;
  }
  pad(TABLE_ALIGN);
  viewOf(elfHeader).setBigUint64(EHDR.sectionTableOffset, BigInt(offset), true);
  return new Uint8Array(Buffer.concat([...parts, ...sections.map((section) => section.header)]));
}

/** The module without unused symbols and without its signature. `what` names it in messages. */
export function stripModule(original: Uint8Array, what: string): Uint8Array {
  const file = Uint8Array.from(original); // changed in place below
  const { sections, symbols: found } = readModuleFile(file, what);
  if (found === undefined) throw damagedModule(what, 'it has no symbol table');
  const { symbols, names, locals, renumbered } = rebuildTable(found.table, symbolsToKeep(sections, found.table, what));
  forEachRelocation(sections, (view, at) => view.setUint32(at, renumbered.get(view.getUint32(at, true)) ?? 0, true));
  viewOf(found.section.header).setUint32(SHDR.info, locals, true);
  const replaced = new Map([
    [found.section, symbols],
    [found.names, names],
  ]);
  const after = sections.map((section) => ({ ...section, content: replaced.get(section) ?? section.content }));
  return layOut(file.subarray(0, EHDR.bytes), after, what);
}
