/** What executes the guest, as one says it on the command line and in the library. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configureMachine, OPTIMIZATION_NAMES } from '../../src/api/options.ts';
import { TRANSLATION_DEFAULTS } from '../../src/machine/engine.ts';
import { assemble } from '../jit/assembly.ts';
import { godwit } from './support.ts';

/** Calls a function two million times and powers off. */
const PROGRAM = `
          lui s0,0x200
loop:     jal ra,work
          addi s0,s0,-1
          bne s0,zero,loop
          lui t0,0x100
          lui t1,0x5
          addi t1,t1,1365
          sw t1,0(t0)
end:      jal zero,end
work:     addi a0,a0,1
          jalr zero,0(ra)
`;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-engine-'));
  writeFileSync(join(folder, 'program'), assemble(PROGRAM).bytes);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...options: string[]) => godwit(['run', '--headless', '--kernel', join(folder, 'program'), ...options]);

describe('godwit run', () => {
  it('says with --stats what the engine did', async () => {
    // Another thread might come too late for a short program.
    const { status, stderr } = await run('--stats', '--without', 'background');
    expect(status).toBe(0);
    const lines = stderr.split('\n');
    expect(lines[1]).toMatch(/^godwit: engine: \d+\.\d % of the instructions in translated code, \d+ decoded pages$/);
    expect(lines[2]).toMatch(
      /^godwit: regions: \d+ put in place \(\d+ from the cache\), \d+ dropped, \d+ live in \d+ modules$/,
    );
    expect(lines[3]).toMatch(/^godwit: compiled: \d+ regions \(\d+ too late\), \d+ KiB of WebAssembly in \d+ ms$/);
    expect(lines[4]).toMatch(
      /^godwit: exits from translated code: \d+ to untranslated code, .* slices and interrupts$/,
    );
    expect(Number(/engine: (\S+) %/.exec(stderr)![1])).toBeGreaterThan(10);
  });

  it('interprets everything with --engine interpreter', async () => {
    const { status, stderr } = await run('--stats', '--engine', 'interpreter');
    expect(status).toBe(0);
    expect(stderr).toContain('engine: 0.0 % of the instructions in translated code');
    expect(stderr).toContain('regions: 0 put in place');
  });

  it('translates sooner with --jit-threshold, and leaves optimisations out', async () => {
    const { status, stderr } = await run('--stats', '--jit-threshold', '1', '--without', 'linking,cache');
    expect(status).toBe(0);
    expect(Number(/engine: (\S+) %/.exec(stderr)![1])).toBeGreaterThan(99);
    expect(stderr).toContain('(0 from the cache)');
  });

  it.each([
    [['--engine', 'magic'], /Allowed choices are jit, interpreter/],
    [['--jit-threshold', 'soon'], /It is a whole number/],
    [['--jit-threshold', '0'], /^godwit: Code is translated after 1 to 65535 visits, not 0/],
    [['--without', 'linking,speed'], /^godwit: There is no optimisation "speed".\nThere are: blocks, calls, /],
  ])('refuses %j', async (options, message) => {
    const { status, stderr } = await run(...options);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('the options of a machine', () => {
  const translation = async (options: object) => (await configureMachine({ kernel: 'k', ...options })).translation;

  it('choose the engine', async () => {
    expect(await translation({})).toEqual(TRANSLATION_DEFAULTS);
    expect((await translation({ engine: 'interpreter' })).enabled).toBe(false);
    const { enabled, threshold, optimizations } = await translation({ jitThreshold: 7, without: ['float', 'blocks'] });
    expect({ enabled, threshold }).toEqual({ enabled: true, threshold: 7 });
    expect(OPTIMIZATION_NAMES.filter((name) => !optimizations[name])).toEqual(['blocks', 'float']);
  });
});
