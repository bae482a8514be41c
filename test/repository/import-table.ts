import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..');

/** A row of the may-import table: a folder of src/, and what its files may import beside one another. */
export interface Row {
  readonly folder: string;
  /** Folders or files of src/. A folder stands for all below it, also where that has a row of its own. */
  readonly own: readonly string[];
  /** npm packages, and "node:" for what comes with Node.js. */
  readonly outside: readonly string[];
}

export interface Import {
  readonly file: string;
  /** A path in src/, a package name, or "node:". */
  readonly target: string;
  readonly isOutside: boolean;
}

/** The items in backticks of a table cell. */
function items(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, item]) => item!);
}

/** The table under the heading "What may import what" of docs/ARCHITECTURE.md. */
export function readImportTable(markdown: string): Row[] {
  const section = markdown.split(/^#+ /m).find((part) => part.startsWith('What may import what')) ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [, folder, own, outside] = line.split('|');
      return { folder: items(folder)[0]!, own: items(own), outside: items(outside) };
    });
}

/** Every TypeScript file of a folder, as paths relative to it. */
export function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.d.ts'),
  );
}

const SPECIFIER =
  /^(?:import|export)\b[^;'"]*?\bfrom\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|(?<!\.)\bimport\(\s*['"]([^'"]+)['"]/gm;

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return 'node:';
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** What a file of src/ imports, types included. */
export function importsOf(file: string, text = readFileSync(join(ROOT, 'src', file), 'utf8')): Import[] {
  return [...text.matchAll(SPECIFIER)].map(([, ...found]) => {
    const specifier = found.find((text) => text !== undefined)!;
    const isOutside = !specifier.startsWith('.');
    const target = isOutside ? packageOf(specifier) : normalize(join(dirname(file), specifier));
    return { file, target, isOutside };
  });
}

export function isWithin(path: string, folderOrFile: string): boolean {
  return path === folderOrFile || path.startsWith(`${folderOrFile}/`);
}

/** The row of a file: that of the deepest folder. */
export function rowOf(table: readonly Row[], file: string): Row | undefined {
  return table.filter(({ folder }) => isWithin(file, folder)).sort((a, b) => b.folder.length - a.folder.length)[0];
}

export function isAllowed(row: Row | undefined, { target, isOutside }: Import, table: readonly Row[]): boolean {
  if (row === undefined) return false;
  if (isOutside) return row.outside.includes(target);
  return rowOf(table, target) === row || row.own.some((item) => isWithin(target, item));
}

/** A way from a folder back to itself, if there is one. */
export function findCycle(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const done = new Set<string>();
  const visit = (folder: string, way: readonly string[]): string[] | undefined => {
    const at = way.indexOf(folder);
    if (at >= 0) return [...way.slice(at), folder];
    if (done.has(folder)) return undefined;
    for (const next of graph.get(folder) ?? []) {
      const cycle = visit(next, [...way, folder]);
      if (cycle) return cycle;
    }
    done.add(folder);
    return undefined;
  };
  for (const folder of graph.keys()) {
    const cycle = visit(folder, []);
    if (cycle) return cycle;
  }
  return undefined;
}
