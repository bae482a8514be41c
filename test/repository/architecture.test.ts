import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, isAllowed, isWithin, ROOT, readImportTable, rowOf, sourceFiles } from './import-table.ts';

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

  it('keeps Node.js and the command line out of the core', () => {
    const core = [
      'common',
      'isa',
      'hart',
      'execute',
      'memory',
      'device',
      'backend',
      'run',
      'machine',
      'state',
      'checkpoint',
    ];
    const rows = table.filter(({ folder }) => core.some((name) => isWithin(folder, name)));
    expect(rows.filter(({ outside }) => outside.includes('node:'))).toEqual([]);
    const hosts = rows
      .flatMap(({ own }) => own)
      .filter((item) => /^(platform\/|service\b|guest\b|api\b|cli\b)/.test(item));
    expect(hosts).toEqual([]);
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
