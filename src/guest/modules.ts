/**
 * Chooses kernel modules and puts them in an order in which they can be loaded. Debian's kernel package has no
 * modules.dep (depmod makes it at installation), so dependencies are read from the modules themselves.
 */
import xz from 'xz-decompress';
import { GodwitError } from '../common/errors.ts';
import { type ModuleInfo, readModuleInfo } from './modinfo.ts';

/** A kernel package's modules as they lie in it: plain path to compressed or plain content, and what is built in. */
export interface ModulePackage {
  files: ReadonlyMap<string, Uint8Array>;
  /** Names of modules that the kernel holds already, with underscores. */
  builtin: ReadonlySet<string>;
}

export interface LoadedModule {
  info: ModuleInfo;
  /** Path within the package, without ".xz". */
  path: string;
  content: Uint8Array;
}

/** Names compare with underscores, as the kernel does. */
export function moduleName(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  return file.replace(/\.ko(\.xz)?$/, '').replaceAll('-', '_');
}

async function decompressXz(content: Uint8Array, what: string): Promise<Uint8Array> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(content);
      controller.close();
    },
  });
  try {
    const parts: Uint8Array[] = [];
    for await (const part of new xz.XzReadableStream(source)) parts.push(part);
    return Buffer.concat(parts);
  } catch (error) {
    throw new GodwitError('damaged', `${what} can't be decompressed.`, { cause: error });
  }
}

async function loadModule(path: string, content: Uint8Array): Promise<LoadedModule> {
  const plain = path.endsWith('.xz') ? await decompressXz(content, path) : content;
  return { info: readModuleInfo(plain, moduleName(path)), path: path.replace(/\.xz$/, ''), content: plain };
}

/**
 * The paths of modules that may carry a crypto alias such as "crypto-crc32c": those under a crypto folder whose name
 * begins like the algorithm. Reading every module of the package would take a minute.
 */
function aliasCandidates(files: Iterable<string>, alias: string): string[] {
  const algorithm = /^crypto-(.+)$/.exec(alias)?.[1]?.replaceAll('-', '_');
  if (algorithm === undefined) return [];
  return [...files].filter((path) => path.includes('/crypto/') && moduleName(path).startsWith(algorithm)).sort();
}

class Resolver {
  private readonly package: ModulePackage;
  private readonly pathOfName: Map<string, string>;
  private readonly loaded = new Map<string, Promise<LoadedModule>>();
  private readonly placed = new Set<string>();
  readonly order: LoadedModule[] = [];

  constructor(modules: ModulePackage) {
    this.package = modules;
    this.pathOfName = new Map([...modules.files.keys()].map((path) => [moduleName(path), path]));
  }

  private load(path: string): Promise<LoadedModule> {
    const known = this.loaded.get(path);
    if (known !== undefined) return known;
    const loading = loadModule(path, this.package.files.get(path) ?? new Uint8Array(0));
    this.loaded.set(path, loading);
    return loading;
  }

  /** The name of the module that a soft dependency means; undefined if there is none, which is allowed. */
  private async resolveSoft(wanted: string): Promise<string | undefined> {
    const name = wanted.replaceAll('-', '_');
    if (this.package.builtin.has(name) || this.pathOfName.has(name)) return name;
    for (const path of aliasCandidates(this.package.files.keys(), wanted)) {
      const { info } = await this.load(path);
      if (info.aliases.includes(wanted)) return moduleName(path);
    }
    return undefined;
  }

  /** Places a module after all that it depends on. */
  async place(wanted: string, neededBy: string): Promise<void> {
    const name = wanted.replaceAll('-', '_');
    if (this.placed.has(name) || this.package.builtin.has(name)) return;
    this.placed.add(name); // before its dependencies, so that a cycle of soft dependencies ends
    const path = this.pathOfName.get(name);
    if (path === undefined) {
      throw new GodwitError('damaged', `The kernel package has no module ${wanted}, which ${neededBy} needs.`);
    }
    const module = await this.load(path);
    for (const soft of module.info.softPre) {
      const found = await this.resolveSoft(soft);
      if (found !== undefined) await this.place(found, name);
    }
    for (const dependency of module.info.depends) await this.place(dependency, name);
    this.order.push(module);
    for (const soft of module.info.softPost) {
      const found = await this.resolveSoft(soft);
      if (found !== undefined) await this.place(found, name);
    }
  }
}

/**
 * The wanted modules and all that they depend on (`depends=`, `softdep=`), each after what it needs.
 * Throws GodwitError('damaged') when the package lacks one.
 */
export async function resolveModules(modules: ModulePackage, wanted: readonly string[]): Promise<LoadedModule[]> {
  const resolver = new Resolver(modules);
  for (const name of wanted) await resolver.place(name, 'godwit');
  checkSymbols(resolver.order);
  return resolver.order;
}

/**
 * A module that needs a symbol which only a later module of the list exports could not be loaded: that would be a
 * mistake in the `depends=` of the package, and is found here rather than in the guest.
 */
function checkSymbols(order: readonly LoadedModule[]): void {
  const exporter = new Map(order.flatMap(({ info }, index) => info.exports.map((symbol) => [symbol, index] as const)));
  order.forEach(({ info }, index) => {
    for (const symbol of info.needs) {
      const at = exporter.get(symbol);
      if (at !== undefined && at > index) {
        throw new GodwitError('damaged', `The module ${info.name} needs ${symbol} of a module that needs it.`);
      }
    }
  });
}

/** Direct dependencies as modules.dep and modules.softdep would give them: what must be loaded before. */
function prerequisites(module: LoadedModule, order: readonly LoadedModule[]): LoadedModule[] {
  const before = order.slice(0, order.indexOf(module));
  const names = new Set(module.info.depends.map((name) => name.replaceAll('-', '_')));
  return before.filter(
    ({ info }) =>
      names.has(info.name) || module.info.softPre.some((soft) => info.aliases.includes(soft) || info.name === soft),
  );
}

/** All prerequisites, and theirs: modprobe wants them all on one line, the last to load first. */
function closure(module: LoadedModule, order: readonly LoadedModule[]): LoadedModule[] {
  const all = new Set<LoadedModule>();
  const visit = (each: LoadedModule): void => {
    for (const needed of prerequisites(each, order)) {
      if (!all.has(needed)) {
        all.add(needed);
        visit(needed);
      }
    }
  };
  visit(module);
  return order.filter((each) => all.has(each)).reverse();
}

/** The files that modprobe reads beside the modules (modules.dep(5)): soft dependencies are written as hard ones. */
export function modprobeFiles(order: readonly LoadedModule[]): { dep: string; alias: string } {
  const dep = order.map(
    (module) =>
      `${module.path}:${closure(module, order)
        .map((each) => ` ${each.path}`)
        .join('')}\n`,
  );
  const alias = order.flatMap(({ info }) => info.aliases.map((pattern) => `alias ${pattern} ${info.name}\n`));
  return { dep: dep.join(''), alias: alias.join('') };
}
