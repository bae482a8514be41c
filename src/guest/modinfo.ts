/**
 * What a Linux kernel module says about itself: the `.modinfo` section ("key=value" strings, each ended by a NUL), the
 * symbols it needs and the symbols it exports.
 */
import type { SymbolTable } from '../common/elf/symbol-table.ts';
import { damagedModule, readModuleFile } from './module-file.ts';

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

function readSymbols(table: SymbolTable): Pick<ModuleInfo, 'needs' | 'exports'> {
  const needs: string[] = [];
  const exports: string[] = [];
  const firstLetter = EXPORT_PREFIX.charCodeAt(0);
  for (let index = 1; index < table.count; index++) {
    const isLocal = table.isLocal(index);
    if (!isLocal && table.isUndefined(index)) needs.push(table.name(index));
    // Most of a module's tens of thousands of local symbols are labels: decide by the first letter.
    if (!isLocal || table.names.bytes[table.nameOffset(index)] !== firstLetter) continue;
    const name = table.name(index);
    if (name.startsWith(EXPORT_PREFIX)) exports.push(name.slice(EXPORT_PREFIX.length));
  }
  return { needs, exports };
}

/**
 * Reads a module's file (uncompressed). `what` names it in messages.
 * Throws GodwitError('damaged') if it is not a module.
 */
export function readModuleInfo(file: Uint8Array, what: string): ModuleInfo {
  const { sections, symbols } = readModuleFile(file, what);
  const section = sections.find((each) => each.name === '.modinfo');
  if (section === undefined) throw damagedModule(what, 'it has no .modinfo section');
  const pairs = parseModinfoSection(section.content);
  const all = (key: string): string[] => pairs.filter(([name]) => name === key).map(([, value]) => value);
  const softdeps = all('softdep').map(parseSoftdep);
  return {
    name: all('name')[0] ?? what,
    depends: (all('depends')[0] ?? '').split(',').filter((name) => name !== ''),
    softPre: softdeps.flatMap((each) => each.pre),
    softPost: softdeps.flatMap((each) => each.post),
    aliases: all('alias'),
    vermagic: all('vermagic')[0],
    ...(symbols === undefined ? { needs: [], exports: [] } : readSymbols(symbols.table)),
  };
}
