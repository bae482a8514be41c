/** The package as its users get it: packed, installed into an empty project, type-checked and run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeRelease } from '../../tools/test/node-release.mjs';
import { patient } from '../support/tiers.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** It has 2.85 MB: shared folders, the agent, `attach` and the checks of arguments came last. */
const MOST_UNPACKED_BYTES = 3_000_000;
const COMPILERS = { 'TypeScript 5.9': 'typescript@5.9', 'TypeScript 7': 'typescript@7' };
const NPM_QUIETLY = ['--no-audit', '--no-fund', '--no-progress', '--loglevel=error', '--prefer-offline'];

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

let work: string;
let packed: Packed;

function npm(folder: string, ...args: string[]): string {
  return execFileSync('npm', args, { cwd: folder, encoding: 'utf8', env: { ...process.env, CI: '' } });
}

/** An empty project with the package in it. */
function makeProject(name: string, also: readonly string[]): string {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  npm(folder, 'install', ...NPM_QUIETLY, join(work, packed.filename), ...also);
  return folder;
}

/** The README's programs, in order. */
const examples = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(
  ([, text]) => text!,
);

/** A module that imports every entry. */
function importsOfAll(): string {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { exports: object };
  const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json'));
  const imports = entries.map((entry, i) => `import * as entry${i} from '${entry.replace('.', 'godwit')}';\n`);
  return `${imports.join('')}export const all: object[] = [${entries.map((_, i) => `entry${i}`)}];\n`;
}

function writeExamples(folder: string, options: Record<string, unknown>): void {
  for (const [i, text] of examples.entries()) writeFileSync(join(folder, `example-${i}.ts`), text);
  writeFileSync(join(folder, 'all-entries.ts'), importsOfAll());
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    strict: true,
    outDir: 'out',
    rootDir: '.',
    ...options,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
}

function compile(folder: string): string {
  const tsc = join(folder, 'node_modules', 'typescript', 'bin', 'tsc');
  return spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' }).stdout;
}

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'godwit-package-'));
  // Without its scripts: other tests run what is built, which prepack would take away for a moment.
  packed = JSON.parse(npm(ROOT, 'pack', '--json', '--ignore-scripts', '--pack-destination', work))[0] as Packed;
}, patient(300_000));

afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('the package', () => {
  it('has what its users need, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    const expected =
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|bin\/godwit|guest-agent\/(godwit-agent|README\.md)|dist\/interpreter\.wasm|dist\/.*\.(js|d\.ts))$/;
    expect(paths.filter((path) => !expected.test(path))).toEqual([]);
    expect(paths).toContain('dist/interpreter.wasm');
    expect(paths.filter((path) => /^dist\/(src|bench|test)\//.test(path))).toEqual([]);
    expect(packed.unpackedSize).toBeLessThan(MOST_UNPACKED_BYTES);
  });

  it('names no source maps that it does not have', () => {
    const scripts = packed.files.filter(({ path }) => path.endsWith('.js'));
    expect(scripts.filter(({ path }) => readFileSync(join(ROOT, path), 'utf8').includes('sourceMappingURL'))).toEqual(
      [],
    );
  });

  it.each(Object.entries(COMPILERS))(
    'type-checks with %s, with and without @types/node',
    (name, compiler) => {
      const folder = makeProject(name.replace(/\W+/g, '-').toLowerCase(), [compiler]);
      // The second time without skipLibCheck: the declarations themselves are right.
      writeExamples(folder, { types: [], skipLibCheck: false });
      expect(examples.length).toBeGreaterThan(0);
      expect(compile(folder)).toBe('');
      npm(folder, 'install', ...NPM_QUIETLY, '@types/node@20');
      writeExamples(folder, { types: ['node'], skipLibCheck: false });
      expect(compile(folder)).toBe('');
    },
    patient(300_000),
  );

  it.each(['the installed Node.js', 'latest'])(
    "runs the README's examples on %s",
    async (release) => {
      const folder = makeProject(`run-${release.replace(/\W+/g, '-').toLowerCase()}`, [COMPILERS['TypeScript 7']]);
      writeExamples(folder, { types: [] });
      expect(compile(folder)).toBe('');
      const node = release === 'latest' ? await nodeRelease('latest') : process.execPath;
      for (const i of examples.keys()) {
        const env = { ...process.env, XDG_DATA_HOME: join(folder, 'data') };
        const { status, stderr } = spawnSync(node, [join('out', `example-${i}.js`)], {
          cwd: folder,
          env,
          encoding: 'utf8',
        });
        expect({ i, status, stderr }).toEqual({ i, status: 0, stderr: '' });
      }
    },
    patient(300_000),
  );

  it(
    'has the program',
    () => {
      const folder = makeProject('program', []);
      const { status, stdout } = spawnSync(join(folder, 'node_modules', '.bin', 'godwit'), ['--version'], {
        encoding: 'utf8',
      });
      expect({ status, stdout }).toEqual({
        status: 0,
        stdout: `${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}\n`,
      });
    },
    patient(120_000),
  );
});
