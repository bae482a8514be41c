/** The sections of a riscv64 kernel module, a relocatable ELF file. */
import { ElfFile, type ElfSection } from '../common/elf/elf-file.ts';
import { ET_REL, type SHDR, SHT } from '../common/elf/format.ts';
import type { SymbolTable } from '../common/elf/symbol-table.ts';
import { GodwitError } from '../common/errors.ts';

const MAX_ALIGN = 65536n;

export interface ModuleSection {
  readonly name: string;
  readonly type: number;
  readonly align: number;
  /** Empty for sections that take no room in the file. */
  readonly content: Uint8Array;
  /** Its entry in the section table. */
  readonly header: Uint8Array;
}

export interface ModuleSymbols {
  readonly table: SymbolTable;
  /** The sections with the symbols and their names. */
  readonly section: ModuleSection;
  readonly names: ModuleSection;
}

export interface ModuleFile {
  readonly sections: readonly ModuleSection[];
  /** Undefined when the file has none. */
  readonly symbols: ModuleSymbols | undefined;
}

export function damagedModule(what: string, why: string): GodwitError {
  return new GodwitError('damaged', `The kernel module ${what} can't be read: ${why}.`);
}

/**
 * Everything is checked here, so that users need not. `what` names the file in messages. Throws GodwitError('damaged').
 */
export function readModuleFile(bytes: Uint8Array, what: string): ModuleFile {
  const file = new ElfFile(`The kernel module ${what}`, bytes).requireFormat();
  if (file.type !== ET_REL) throw damagedModule(what, 'it is not a relocatable file');
  const found = file.sections;
  const names = file.sectionNames(found);
  const sections = found.map((section) => ({
    name: names.at(section.nameOffset),
    type: section.type,
    align: alignOf(section, what),
    content: file.contentOf(section),
    header: section.header,
  }));
  if (sections.reduce((sum, { content }) => sum + content.length, 0) > bytes.length) {
    throw damagedModule(what, 'its sections overlap');
  }
  return { sections, symbols: symbolsOf(file, found, sections) };
}

function alignOf({ align }: ElfSection, what: string): number {
  if (align > MAX_ALIGN || (align & (align - 1n)) !== 0n) {
    throw damagedModule(what, 'a section has an impossible alignment');
  }
  return Number(align);
}

function symbolsOf(
  file: ElfFile,
  found: readonly ElfSection[],
  sections: readonly ModuleSection[],
): ModuleSymbols | undefined {
  const index = found.findIndex(({ type }) => type === SHT.symtab);
  const symbols = found[index];
  const table = symbols && file.symbolsOf(symbols, found);
  return table && { table, section: sections[index]!, names: sections[symbols.link]! };
}

/** Changes a field of a section's header: one of SHDR with 8 bytes. */
export function setHeaderField(
  { header }: ModuleSection,
  field: typeof SHDR.offset | typeof SHDR.size,
  value: number,
): void {
  new DataView(header.buffer, header.byteOffset, header.length).setBigUint64(field, BigInt(value), true);
}
