/** The agent's program that is kept in the repository is made of the sources beside it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildAgent, compilerVersion } from '../../tools/build-agent.mjs';

const FOLDER = new URL('../../guest-agent/', import.meta.url);
const LARGEST_BYTES = 20 * 1024;
const wanted = readFileSync(new URL('compiler', FOLDER), 'utf8').trim();
const found = compilerVersion();
const why = found === wanted ? '' : `(skipped: the compiler is ${found ?? 'not there'}, and not ${wanted})`;

describe("the agent's program", () => {
  const program = readFileSync(new URL('godwit-agent', FOLDER));

  it('is a small program for RISC-V, without an interpreter', () => {
    expect(program.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
    expect(program.readUInt16LE(18)).toBe(243);
    expect(program.includes('ld-linux')).toBe(false);
    expect(program.length).toBeLessThan(LARGEST_BYTES);
  });

  it.skipIf(why)(`is what its sources give, byte by byte ${why}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-agent-'));
    try {
      const built = join(folder, 'godwit-agent');
      buildAgent(built);
      expect(readFileSync(built).equals(program)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
