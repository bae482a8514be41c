/**
 * What a Linux kernel module says about itself: the `.modinfo` section ("key=value" strings, each ended by a NUL), the
 * symbols it needs and the symbols it exports.
 */
import {
  damagedModule,
  findSymbolTable,
  readElfSections,
  SHN_UNDEF,
  STB_LOCAL,
  SYM,
  type SymbolTable,
  stringAt,
  viewOf,
} from './elf.ts';

/** The local symbol that marks an exported one is this prefix and its name. */
const EXPORT_PREFIX = '__ksymtab_';

export interface ModuleInfo {
  /** The `name=` entry: with underscores, as /proc/modules shows it. */
  name: string;
  /** Modules named in `depends=`. */
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

function readSymbols({ symbols, names, count }: SymbolTable, what: string): Pick<ModuleInfo, 'needs' | 'exports'> {
  const view = viewOf(symbols.content);
  const needs: string[] = [];
  const exports: string[] = [];
  const firstLetter = EXPORT_PREFIX.charCodeAt(0);
  for (let at = SYM.bytes; at < count * SYM.bytes; at += SYM.bytes) {
    const nameOffset = view.getUint32(at + SYM.name, true);
    const local = view.getUint8(at + SYM.info) >> 4 === STB_LOCAL;
    if (!local && view.getUint16(at + SYM.section, true) === SHN_UNDEF)
      needs.push(stringAt(names.content, nameOffset, what));
    // Most of a module's tens of thousands of local symbols are labels: decide by the first letter.
    if (!local || names.content[nameOffset] !== firstLetter) continue;
    const name = stringAt(names.content, nameOffset, what);
    if (name.startsWith(EXPORT_PREFIX)) exports.push(name.slice(EXPORT_PREFIX.length));
  }
  return { needs, exports };
}

/**
 * Reads a module's file (uncompressed). `what` names it in messages.
 * Throws GodwitError('damaged') if it is not a module.
 */
export function readModuleInfo(file: Uint8Array, what: string): ModuleInfo {
  const sections = readElfSections(file, what);
  const section = sections.find((each) => each.name === '.modinfo');
  if (section === undefined) throw damagedModule(what, 'it has no .modinfo section');
  const pairs = parseModinfoSection(section.content);
  const all = (key: string): string[] => pairs.filter(([name]) => name === key).map(([, value]) => value);
  const softdeps = all('softdep').map(parseSoftdep);
  const table = findSymbolTable(sections);
  return {
    name: all('name')[0] ?? what,
    depends: (all('depends')[0] ?? '').split(',').filter((name) => name !== ''),
    softPre: softdeps.flatMap((each) => each.pre),
    softPost: softdeps.flatMap((each) => each.post),
    aliases: all('alias'),
    vermagic: all('vermagic')[0],
    ...(table === undefined ? { needs: [], exports: [] } : readSymbols(table, what)),
  };
}
