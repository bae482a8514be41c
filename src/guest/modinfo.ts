/**
 * What a Linux kernel module says about itself: the `.modinfo` section ("key=value" strings, each ended by a NUL), the
 * symbols it needs and the symbols it exports. Only 64-bit little-endian ELF relocatable files (ELF specification, "ELF
 * Header", "Sections") are read, since riscv64 modules are nothing else.
 */
import { GodwitError } from '../common/errors.ts';

/** Offsets in Elf64_Ehdr and Elf64_Shdr. */
const EHDR = {
  type: 0x10,
  sectionTableOffset: 0x28,
  sectionEntrySize: 0x3a,
  sectionCount: 0x3c,
  namesIndex: 0x3e,
  size: 0x40,
};
const SHDR = { name: 0x00, type: 0x04, offset: 0x18, size: 0x20, link: 0x28, bytes: 0x40 };
/** Offsets in Elf64_Sym. */
const SYM = { name: 0x00, info: 0x04, section: 0x06, bytes: 0x18 };
const ET_REL = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHN_UNDEF = 0;
const STB_GLOBAL = 1;
/** The linker's marker for an exported symbol: the export table's name string is `__kstrtab_` + symbol. */
const EXPORT_PREFIX = '__ksymtab_';

export interface ModuleInfo {
  /** The `name=` entry: with underscores, as /proc/modules shows it. */
  name: string;
  /** Modules named in `depends=`, with underscores. */
  depends: string[];
  /** Modules and module aliases named in `softdep=pre: ...`. */
  softPre: string[];
  /** Modules and module aliases named in `softdep=post: ...`. */
  softPost: string[];
  aliases: string[];
  vermagic: string | undefined;
  /** Symbols that other modules or the kernel must give. */
  needs: string[];
  /** Symbols that it gives to other modules. */
  exports: string[];
}

interface Section {
  name: string;
  type: number;
  offset: number;
  size: number;
  link: number;
}

class ElfReader {
  readonly #file: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  readonly sections: Section[];

  constructor(file: Uint8Array, what: string) {
    this.#file = file;
    this.#what = what;
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    const magic = file.length >= EHDR.size ? this.#view.getUint32(0) : 0;
    // 0x7f "ELF", class 2 (64 bit), data 1 (little endian)
    if (magic !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) throw this.#damaged('it is not a 64-bit ELF file');
    if (this.#view.getUint16(EHDR.type, true) !== ET_REL) throw this.#damaged('it is not a relocatable file');
    this.sections = this.#readSections();
  }

  #damaged(why: string): GodwitError {
    return new GodwitError('damaged', `The kernel module ${this.#what} can't be read: ${why}.`);
  }

  #u64(offset: number): number {
    const value = this.#view.getBigUint64(offset, true);
    if (value > BigInt(this.#file.length)) throw this.#damaged('a section leaves the file');
    return Number(value);
  }

  #readSections(): Section[] {
    const table = this.#u64(EHDR.sectionTableOffset);
    const count = this.#view.getUint16(EHDR.sectionCount, true);
    const namesIndex = this.#view.getUint16(EHDR.namesIndex, true);
    if (
      this.#view.getUint16(EHDR.sectionEntrySize, true) !== SHDR.bytes ||
      table + count * SHDR.bytes > this.#file.length
    ) {
      throw this.#damaged('its section table is broken');
    }
    const raw = Array.from({ length: count }, (_, index) => this.#readSection(table + index * SHDR.bytes));
    const names = raw[namesIndex];
    if (names === undefined) throw this.#damaged('its section names are missing');
    return raw.map(({ nameOffset, ...section }) => ({ ...section, name: this.string(names, nameOffset) }));
  }

  #readSection(at: number): Omit<Section, 'name'> & { nameOffset: number } {
    const type = this.#view.getUint32(at + SHDR.type, true);
    const empty = type === SHT_NOBITS || type === 0;
    const offset = empty ? 0 : this.#u64(at + SHDR.offset);
    const size = empty ? 0 : this.#u64(at + SHDR.size);
    if (offset + size > this.#file.length) throw this.#damaged('a section leaves the file');
    const nameOffset = this.#view.getUint32(at + SHDR.name, true);
    return { nameOffset, type, offset, size, link: this.#view.getUint32(at + SHDR.link, true) };
  }

  content(section: Section): Uint8Array {
    return this.#file.subarray(section.offset, section.offset + section.size);
  }

  /** The NUL-terminated string at an offset of a string table. */
  string(table: Pick<Section, 'offset' | 'size'>, offset: number): string {
    const limit = table.offset + table.size;
    const start = table.offset + offset;
    const end = this.#file.indexOf(0, start);
    if (start >= limit || end < 0 || end >= limit) throw this.#damaged('a name leaves its string table');
    return Buffer.from(this.#file.buffer, this.#file.byteOffset + start, end - start).toString('latin1');
  }

  /** Name and whether it is defined here, of each global symbol. */
  *globalSymbols(): Generator<{ name: string; defined: boolean }> {
    const table = this.sections.find((section) => section.type === SHT_SYMTAB);
    const names = table === undefined ? undefined : this.sections[table.link];
    if (table === undefined || names === undefined) return;
    for (let at = table.offset; at + SYM.bytes <= table.offset + table.size; at += SYM.bytes) {
      const binding = this.#view.getUint8(at + SYM.info) >> 4;
      if (binding !== STB_GLOBAL) continue;
      const name = this.string(names, this.#view.getUint32(at + SYM.name, true));
      yield { name, defined: this.#view.getUint16(at + SYM.section, true) !== SHN_UNDEF };
    }
  }

  /** Names of local symbols as well: the export markers are local. */
  *localNames(prefix: string): Generator<string> {
    const table = this.sections.find((section) => section.type === SHT_SYMTAB);
    const names = table === undefined ? undefined : this.sections[table.link];
    if (table === undefined || names === undefined) return;
    const first = prefix.charCodeAt(0);
    for (let at = table.offset; at + SYM.bytes <= table.offset + table.size; at += SYM.bytes) {
      const nameOffset = this.#view.getUint32(at + SYM.name, true);
      if (this.#file[names.offset + nameOffset] !== first) continue;
      const name = this.string(names, nameOffset);
      if (name.startsWith(prefix)) yield name.slice(prefix.length);
    }
  }
}

/** "pre: a b post: c" as two lists. */
function parseSoftdep(value: string): { pre: string[]; post: string[] } {
  const lists = { pre: [] as string[], post: [] as string[] };
  let into: string[] | undefined;
  for (const word of value.split(/\s+/)) {
    if (word === 'pre:') into = lists.pre;
    else if (word === 'post:') into = lists.post;
    else if (word !== '') into?.push(word);
  }
  return lists;
}

/** Splits a `.modinfo` section into its pairs. */
export function parseModinfoSection(section: Uint8Array): [key: string, value: string][] {
  return Buffer.from(section)
    .toString('latin1')
    .split('\0')
    .filter((entry) => entry.includes('='))
    .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]);
}

/**
 * Reads a module's file (uncompressed). `what` names it in messages.
 * Throws GodwitError('damaged') if it is not a module.
 */
export function readModuleInfo(file: Uint8Array, what: string): ModuleInfo {
  const elf = new ElfReader(file, what);
  const section = elf.sections.find((each) => each.name === '.modinfo');
  if (section === undefined)
    throw new GodwitError('damaged', `${what} is no kernel module: it has no .modinfo section.`);
  const pairs = parseModinfoSection(elf.content(section));
  const all = (key: string): string[] => pairs.filter(([name]) => name === key).map(([, value]) => value);
  const softdeps = all('softdep').map(parseSoftdep);
  return {
    name: all('name')[0] ?? what,
    depends: (all('depends')[0] ?? '').split(',').filter((name) => name !== ''),
    softPre: softdeps.flatMap((each) => each.pre),
    softPost: softdeps.flatMap((each) => each.post),
    aliases: all('alias'),
    vermagic: all('vermagic')[0],
    needs: [...elf.globalSymbols()].filter((symbol) => !symbol.defined).map((symbol) => symbol.name),
    exports: [...new Set(elf.localNames(EXPORT_PREFIX))],
  };
}
