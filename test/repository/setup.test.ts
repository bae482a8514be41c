/** What a person sees of the set-up while it works. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasScript } from '../cli/support.ts';

const COMMON = join(import.meta.dirname, '..', '..', 'tools', 'setup', 'common.mjs');
/** Long enough for the line to be drawn anew. */
const WORK_MS = 1600;
const PROGRAM = `import { during, say } from ${JSON.stringify(COMMON)};
say(await during('building', () => new Promise((resolve) => setTimeout(resolve, ${WORK_MS}, 'built'))));`;
const ARGUMENTS = ['--input-type=module', '--eval', PROGRAM];

describe('the set-up', () => {
  it('says in plain lines what it does, where there is no terminal', () => {
    const { stderr } = spawnSync(process.execPath, ARGUMENTS, { encoding: 'utf8' });
    expect(stderr).toBe('godwit set-up: building\ngodwit set-up: built\n');
  });

  it.skipIf(!hasScript)('moves on a terminal (skipped without the program script)', () => {
    const command = [process.execPath, ...ARGUMENTS].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    const { stdout } = spawnSync('script', ['-qefc', command, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, SHELL: '/bin/sh' },
    });
    const seconds = [...stdout.matchAll(/godwit set-up: building \((\d+) s\)/g)].map((match) => match[1]);
    expect(new Set(seconds).size).toBeGreaterThan(1);
    expect(stdout).toMatch(/building \(\d+ s\)\r\ngodwit set-up: built\r\n$/);
  });
});
