/** The interpreter's WebAssembly beside the compiled sources: used only if these made it. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

let folder = '';
const dist = () => join(folder, 'dist');
const wasm = () => join(dist(), 'interpreter.wasm');
const source = () => join(dist(), 'hart', 'layout.js');

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-interpreter-'));
  const built = join(import.meta.dirname, '..', '..', 'dist');
  const isCopied = (path: string) => !['src', 'bench', 'interpreter.wasm'].includes(basename(path));
  cpSync(built, dist(), { recursive: true, filter: isCopied });
  cpSync(join(built, '..', 'package.json'), join(folder, 'package.json'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a program with what the built module exports. */
function run(program: string): void {
  const url = pathToFileURL(join(dist(), 'platform', 'node', 'prebuilt-interpreter.js')).href;
  const text = `const { buildInterpreter, prebuiltInterpreter } = await import(${JSON.stringify(url)});\n${program}`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

const build = () => run('await buildInterpreter();');
const start = () => run('await prebuiltInterpreter();');

it('is made by the build, and not again without need', () => {
  build();
  const made = statSync(wasm(), { bigint: true });
  build();
  start();
  expect(statSync(wasm(), { bigint: true }).ino).toBe(made.ino);
});

it('is used whatever times an unpacked package has', () => {
  const before = statSync(wasm()).ino;
  const packed = new Date('1985-10-26');
  for (const name of readdirSync(dist(), { recursive: true, encoding: 'utf8' })) {
    utimesSync(join(dist(), name), packed, packed);
  }
  utimesSync(source(), new Date(), new Date());
  start();
  expect(statSync(wasm()).ino).toBe(before);
});

it('is made anew when a source has changed, also into something with an older time', () => {
  const before = readFileSync(wasm());
  appendFileSync(source(), '// changed\n');
  const packed = new Date('1985-10-26');
  utimesSync(source(), packed, packed);
  start();
  expect(readFileSync(wasm()).equals(before)).toBe(false);
});

it('is not kept by a program whose sources have changed since it began', () => {
  rmSync(wasm());
  run(`
    const { appendFileSync } = await import('node:fs');
    appendFileSync(${JSON.stringify(source())}, '// changed again\\n');
    await prebuiltInterpreter();
  `);
  expect(existsSync(wasm())).toBe(false);
  start();
  expect(existsSync(wasm())).toBe(true);
});

it('is made anew when it is cut short', () => {
  const whole = readFileSync(wasm());
  spawnSync('truncate', ['-s', '1000', wasm()]);
  start();
  expect(readFileSync(wasm()).equals(whole)).toBe(true);
});
