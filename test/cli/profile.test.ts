/** `godwit run --profile`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elfProgram } from '../profile/elf.ts';
import { expectSpeedscope, shareOf } from '../profile/format.ts';
import { hotAndCold } from '../profile/programs.ts';
import { godwit } from './support.ts';

const KERNEL = 0x8020_0000n;

let folder = '';
const file = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-profile-'));
  const { code, symbols } = hotAndCold(KERNEL);
  writeFileSync(file('program.elf'), elfProgram(code, KERNEL, symbols));
  writeFileSync(file('program'), code);
  const lines = hotAndCold(0n).symbols.map(({ name, address }) => `${address.toString(16)} T ${name}\n`);
  writeFileSync(file('System.map'), lines.join(''));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (kernel: string, ...options: string[]) =>
  godwit(['run', '--headless', '--kernel', file(kernel), '--profile', file('out.json'), ...options]);
const profile = () => expectSpeedscope(JSON.parse(readFileSync(file('out.json'), 'utf8')));

describe('godwit run --profile', () => {
  it('shows where the time goes, with the names of an ELF kernel', async () => {
    expect(await run('program.elf')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(shareOf(profile(), 'hot')).toBeGreaterThan(shareOf(profile(), 'cold'));
    expect(shareOf(profile(), 'kernel')).toBe(1);
  });

  it('takes names from other files, too', async () => {
    const { status } = await run('program', '--symbols', `${file('System.map')}@0x80200000`);
    expect(status).toBe(0);
    expect(shareOf(profile(), 'hot')).toBeGreaterThan(shareOf(profile(), 'cold'));
  });

  it.each([
    [['--profile', '/no/such/folder/out.json'], 1, /^godwit: .*\/no\/such\/folder\/out.json/],
    [['--symbols', '/no/such/file'], 1, /^godwit: .*\/no\/such\/file/],
    [['--trace'], 2, /^godwit: A machine that is traced cannot be profiled/],
  ])('refuses %j', async (options, expected, message) => {
    const { status, stderr } = await run('program', ...options);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n +at /);
    expect(status).toBe(expected);
  });

  it('needs a profile for symbols', async () => {
    const { status, stderr } = await godwit(['run', '--kernel', file('program'), '--symbols', file('System.map')]);
    expect(stderr).toMatch(/^godwit: Symbols are of use only with a profile/);
    expect(status).toBe(2);
  });
});
