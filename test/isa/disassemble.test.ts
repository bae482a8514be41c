import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomBits, randomCompressedBits } from '../../src/isa/generate/operands.ts';
import { Random } from '../../src/isa/generate/random.ts';
import { COMPRESSED, decode, disassemble, INSTRUCTIONS, lengthOf } from '../../src/isa/index.ts';
import { seedOf } from '../differential/seed.ts';

const PREFIX = 'riscv64-unknown-elf-';
const ARCHITECTURE = '-march=rv64gc_zba_zbb_zbs_zicbom_zicboz_svinval';
/** Not known to binutils before 2.41. */
const UNKNOWN_TO_BINUTILS: ReadonlySet<string> = new Set(['czero.eqz', 'czero.nez']);

const missing = spawnSync(`${PREFIX}objdump`, ['--version']).error ? `${PREFIX}objdump is not installed` : '';

interface Line {
  readonly pc: bigint;
  readonly text: string;
}

/** What objdump makes of the instructions, laid out from address 0. */
function objdump(words: readonly number[]): Line[] {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-disassemble-'));
  try {
    const source = words.map((bits) => `.insn ${lengthOf(bits)}, 0x${bits.toString(16)}`).join('\n');
    writeFileSync(join(folder, 'all.s'), `${source}\n`);
    run('as', [ARCHITECTURE, '-o', join(folder, 'all.o'), join(folder, 'all.s')]);
    const listing = run('objdump', ['-d', '-M', 'no-aliases', join(folder, 'all.o')]);
    return [...listing.matchAll(/^ *([0-9a-f]+):\t[0-9a-f]+ +\t(.*)$/gm)].map((match) => ({
      pc: BigInt(`0x${match[1]}`),
      text: match[2]!,
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(tool: string, options: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(PREFIX + tool, options, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${tool}: ${stderr}`);
  return stdout;
}

/**
 * One spelling: no symbols and comments, addresses and numbers alike, no hint on which CSRs a binutils knows by name.
 */
function normalise(text: string): string {
  return text
    .replace(/\s*#.*$/, '')
    .replace(/ <.*>$/, '')
    .replace('\t', ' ')
    .replace(/^(c\.s..i)64 (\w+)$/, '$1 $2,0x0') // a shift by 0 is a hint of its own name
    .replace(/\b(0x)?([0-9a-f]+)$/, (whole, hex, digits) => (hex || /[a-f]/.test(digits) ? whole : digits))
    .trim();
}

/** objdump writes branch targets without 0x. */
function withoutTargetPrefix(bits: number, text: string): string {
  const flow = decode(bits)?.instruction.flow;
  return flow === 'branch' || flow === 'jump' ? text.replace(/0x([0-9a-f]+)$/, '$1') : text;
}

describe('disassembler', () => {
  const { seed, note } = seedOf('disassembler', 1);

  it.skipIf(missing !== '')(`agrees with objdump for every row ${missing}`, () => {
    const random = new Random(seed);
    const words: number[] = [];
    for (const row of INSTRUCTIONS) {
      if (UNKNOWN_TO_BINUTILS.has(row.name)) continue;
      // Exact conversions are written without a rounding mode.
      for (let i = 0; i < 24; i++) {
        const exact = ['fcvt.d.s', 'fcvt.d.w', 'fcvt.d.wu'].includes(row.name);
        const fixed = exact ? { rm: 0 } : {};
        const fence =
          row.name === 'fence' ? { rd: 0, rs1: 0 } : row.name === 'fence.i' ? { rd: 0, rs1: 0, immediate: 0 } : {};
        words.push(randomBits(row, random, undefined, { ...fixed, ...fence }));
      }
    }
    for (const row of COMPRESSED) for (let i = 0; i < 24; i++) words.push(randomCompressedBits(row, random));
    const theirs = objdump(words);
    expect(theirs.length).toBe(words.length);
    const wrong = words.flatMap((bits, i) => {
      const { pc, text } = theirs[i]!;
      const ours = normalise(withoutTargetPrefix(bits, disassemble(bits, pc)));
      return ours === normalise(text) ? [] : [`${bits.toString(16)}: ${ours} | ${normalise(text)}`];
    });
    expect(wrong, note).toEqual([]);
  });

  it('shows what is no instruction as data', () => {
    expect(disassemble(0, 0n)).toBe('.2byte 0x0');
    expect(disassemble(0xffff_ffff, 0n)).toBe('.4byte 0xffffffff');
  });

  it('writes conditional zeroing', () => {
    expect(disassemble(0x0eb5_5533, 0n)).toBe('czero.eqz a0,a0,a1');
    expect(disassemble(0x0eb5_7533, 0n)).toBe('czero.nez a0,a0,a1');
  });
});
