import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROGRAM_ENVIRONMENT } from '../../bench/contender/program-environment.ts';
import { MAIN } from './support.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/godwit', import.meta.url));
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
    expect(join(main)).toBe(MAIN);
    expect(args).toEqual(['<run>', '<--append>', '<a "b" $c>']);
    expect(status).toBe(7);
  });

  it('leaves what the user has set', () => {
    const env = Object.fromEntries(NAMES.map((name) => [name, '5']));
    expect(start(PROGRAM, env).settings).toEqual(NAMES.map((name) => `${name}=5`));
  });

  it('is found through links', () => {
    symlinkSync(PROGRAM, join(folder, 'first'));
    symlinkSync('first', join(folder, 'second'));
    expect(join(start(join(folder, 'second')).main)).toBe(MAIN);
  });
});
