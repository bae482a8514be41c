import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  findCycle,
  importsOf,
  isAllowed,
  isWithin,
  ROOT,
  readImportTable,
  rowOf,
  sourceFiles,
} from './import-table.ts';

const table = readImportTable(readFileSync(join(ROOT, 'docs', 'ARCHITECTURE.md'), 'utf8'));
const files = sourceFiles('src');
const imports = files.flatMap((file) => importsOf(file));

describe('the may-import table of docs/ARCHITECTURE.md', () => {
  it('names every folder of src/', () => {
    expect(table.length).toBeGreaterThan(10);
    expect(files.filter((file) => rowOf(table, file) === undefined)).toEqual([]);
  });

  it('names only folders and files that exist', () => {
    const named = table.flatMap(({ folder, own }) => [folder, ...own]);
    expect(named.filter((path) => !files.some((file) => isWithin(file, path)))).toEqual([]);
  });

  it('allows every import in src/', () => {
    const forbidden = imports.filter((entry) => !isAllowed(rowOf(table, entry.file), entry, table));
    expect(forbidden.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });

  it('allows nothing that is not needed', () => {
    const unused = table.flatMap((row) => {
      const made = imports.filter(({ file }) => rowOf(table, file) === row);
      return [...row.own, ...row.outside]
        .filter((item) => !made.some(({ target, isOutside }) => (isOutside ? target === item : isWithin(target, item))))
        .map((item) => `${row.folder} may import ${item}, but does not`);
    });
    expect(unused).toEqual([]);
  });

  it('keeps hosts, services and the command line out of the core', () => {
    const core = [
      'common',
      'state',
      'isa',
      'hart',
      'execute',
      'memory',
      'device',
      'backend',
      'machine',
      'run',
      'checkpoint',
      'recording',
      'replay',
      'debug',
      'profile',
    ];
    const inCore = (file: string): boolean => core.some((name) => isWithin(file, name));
    expect(core.filter((name) => !files.some((file) => isWithin(file, name)))).toEqual([]);
    const rows = table.filter(({ folder }) => inCore(folder));
    expect(rows.filter(({ outside }) => outside.includes('node:'))).toEqual([]);
    // Of the platform the core knows the interfaces alone.
    const foreign = imports.filter(
      ({ file, target }) => inCore(file) && /^(?:platform\/.*\/|service\/|guest\/|api\/|cli\/)/.test(target),
    );
    expect(foreign.map(({ file, target }) => `${file} imports ${target}`)).toEqual([]);
  });
});

describe('the rooms of src/', () => {
  it('form no cycle, type imports included', () => {
    const graph = new Map(
      table.map((row) => [
        row.folder,
        new Set(
          imports
            .filter(({ file, isOutside }) => !isOutside && rowOf(table, file) === row)
            .map(({ target }) => rowOf(table, target)!.folder)
            .filter((folder) => folder !== row.folder),
        ),
      ]),
    );
    expect(findCycle(graph)).toBeUndefined();
  });

  it('would be found out if they did', () => {
    expect(
      findCycle(
        new Map([
          ['a', new Set(['b'])],
          ['b', new Set(['c'])],
          ['c', new Set(['b'])],
        ]),
      ),
    ).toEqual(['b', 'c', 'b']);
  });
});

describe('reading imports', () => {
  it('finds all forms, also over several lines', () => {
    const text = [
      "import { a } from '../memory/arena.ts';",
      "import type { B } from './b.ts';",
      'import {',
      '  c,',
      "} from 'node:fs/promises';",
      "export * from '@scope/package/part';",
      "const d = await import('fflate');",
      "import '../hart/layout.ts';",
    ].join('\n');
    expect(importsOf('device/bus/x.ts', text).map(({ target }) => target)).toEqual([
      'device/memory/arena.ts',
      'device/bus/b.ts',
      'node:',
      '@scope/package',
      'fflate',
      'device/hart/layout.ts',
    ]);
  });
});
