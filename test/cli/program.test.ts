import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROGRAM_ENVIRONMENT } from '../../bench/contender/program-environment.ts';
import { MAIN } from './support.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/godwit', import.meta.url));
/** The modules themselves, and what is put together of them. */
const MAINS = [MAIN, join(MAIN, '../../program/start/main.js')];
const NAMES = Object.keys(PROGRAM_ENVIRONMENT);

let folder: string;

/** In place of Node.js: says what it was given. */
const FAKE_NODE = `#!/bin/sh
for name in ${NAMES.join(' ')}; do eval "echo $name=\\$$name"; done
for argument; do echo "<$argument>"; done
exit 7
`;

function start(program: string, env: Readonly<Record<string, string>> = {}) {
  const path = `${folder}:${process.env.PATH}`;
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !NAMES.includes(name)));
  const { stdout, status } = spawnSync(program, ['run', '--append', 'a "b" $c'], {
    env: { ...clean, PATH: path, ...env },
    encoding: 'utf8',
  });
  const lines = stdout.trimEnd().split('\n');
  const settings = lines.slice(0, NAMES.length);
  const [main, ...args] = lines.slice(NAMES.length);
  return { status, settings, main: main!.slice(1, -1), args };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-program-'));
  writeFileSync(join(folder, 'node'), FAKE_NODE);
  chmodSync(join(folder, 'node'), 0o755);
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the program', () => {
  it('gives Node.js the environment that is measured, and its arguments as they are', () => {
    const { status, settings, main, args } = start(PROGRAM);
    expect(settings).toEqual(Object.entries(PROGRAM_ENVIRONMENT).map(([name, value]) => `${name}=${value}`));
    expect(MAINS).toContain(join(main));
    expect(args).toEqual(['<run>', '<--append>', '<a "b" $c>']);
    expect(status).toBe(7);
  });

  it('runs what was put together of the modules, unless one of them was compiled since', () => {
    const checkout = join(folder, 'checkout');
    const [modules, together] = ['dist/cli/main.js', 'dist/program/start/main.js'].map((path) => join(checkout, path));
    for (const path of ['bin', 'dist/cli', 'dist/program/start']) mkdirSync(join(checkout, path), { recursive: true });
    const program = join(checkout, 'bin/godwit');
    copyFileSync(PROGRAM, program);
    const main = (): string => join(start(program).main);
    writeFileSync(modules!, '');
    expect(main()).toBe(modules);
    // As in the package, which is no checkout.
    writeFileSync(together!, '');
    expect(main()).toBe(together);
    const compiled = join(checkout, 'dist/services.tsbuildinfo');
    writeFileSync(compiled, '');
    utimesSync(compiled, 1000, 1000);
    utimesSync(together!, 2000, 2000);
    expect(main()).toBe(together);
    utimesSync(compiled, 3000, 3000);
    expect(main()).toBe(modules);
  });

  it('leaves what the user has set', () => {
    const env = Object.fromEntries(NAMES.map((name) => [name, '5']));
    expect(start(PROGRAM, env).settings).toEqual(NAMES.map((name) => `${name}=5`));
  });

  it('is found through links', () => {
    symlinkSync(PROGRAM, join(folder, 'first'));
    symlinkSync('first', join(folder, 'second'));
    expect(MAINS).toContain(join(start(join(folder, 'second')).main));
  });
});
