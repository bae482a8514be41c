import { describe, expect, it } from 'vitest';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import { type Optimization, optimizationsWithout } from '../../src/execute/jit/options.ts';
import { RETURNS_DEPTH } from '../../src/hart/layout.ts';
import { programMachine, runTo } from './program.ts';

/** Calls from page to page, which regions make on the host's stack. */

const LAST_BRANCHES = 200_000n;
const SLICES = [37n, 5000n];
const STACK = 0x8010_0000;

/** Pads what stands before up to the next page. */
function page(source: string, instructions: number): string {
  return `${source}\n${'addi zero,zero,0\n'.repeat(1024 - instructions)}`;
}

const stackPointer = `lui sp,0x${((STACK >>> 12) - 0x8_0000).toString(16)}
            auipc t0,0x0
            add sp,sp,t0`;

/** Two functions in two pages call each other, deeper than the host's stack is used. */
const RECURSION = (depth: number): string =>
  `${page(
    `        ${stackPointer}
    again:  addi a0,zero,${depth}
            jal ra,odd
            addi s0,s0,1
            jal zero,again
    odd:    addi sp,sp,-16
            sd ra,8(sp)
            add a1,a1,a0
            beq a0,zero,out
            addi a0,a0,-1
            jal ra,even
            xor a1,a1,s0
    out:    ld ra,8(sp)
            addi sp,sp,16
            jalr zero,0(ra)`,
    17,
  )}
    even:   addi sp,sp,-16
            sd ra,8(sp)
            sd a0,0(sp)
            beq a0,zero,end
            addi a0,a0,-1
            jal ra,odd
    end:    ld a0,0(sp)
            add a2,a2,a0
            ld ra,8(sp)
            addi sp,sp,16
            jalr zero,0(ra)`;

/** A callee goes back to where nobody called it from, every fourth time; two others take turns like coroutines. */
const ELSEWHERE = `${page(
  `again:    addi s0,s0,1
            jal ra,skips
            addi a0,a0,1
            addi a0,a0,2
            auipc t1,0x0
            addi t1,t1,16
            jal ra,swaps
            addi a1,a1,1
            add a3,a3,a1
            jal zero,again`,
  10,
)}
    skips:  andi t0,s0,3
            bne t0,zero,plain
            addi ra,ra,4
    plain:  jalr zero,0(ra)
    swaps:  andi t0,s0,1
            beq t0,zero,stay
            addi t2,ra,0
            addi ra,t1,0
    stay:   addi a2,a2,1
            jalr zero,0(ra)`;

const PROGRAMS = [
  { name: 'deep recursion over two pages', source: RECURSION(5 * RETURNS_DEPTH) },
  { name: 'shallow recursion over two pages', source: RECURSION(3) },
  { name: 'returns to elsewhere', source: ELSEWHERE },
];

async function states(source: string, slice: bigint, without: readonly Optimization[] | undefined) {
  const core = await programMachine(source, {
    cache: new TranslationCache(),
    translation: { enabled: without !== undefined, threshold: 4, optimizations: optimizationsWithout(without) },
  });
  const seen: unknown[] = [];
  for (let to = LAST_BRANCHES / 40n; to <= LAST_BRANCHES; to += LAST_BRANCHES / 40n) {
    runTo(core, to, slice);
    seen.push({ ...core.point, instructions: core.hart.instructionsRetired, digest: core.digest() });
  }
  return { seen, statistics: core.engine.statistics(core.hart.address) };
}

describe('calls out of a region', () => {
  it.each(PROGRAMS)('$name: the same states at every point', async ({ source }) => {
    for (const slice of SLICES) {
      const { seen } = await states(source, slice, undefined);
      for (const others of [[], ['registers'], ['calls'], ['skip-cold'], ['branch-hints']] as const) {
        const without = ['compact', ...others] as const;
        expect((await states(source, slice, without)).seen, others.join()).toEqual(seen);
      }
    }
  });

  it('begin anew from the interpreter when they are too deep, and only then', async () => {
    const untranslated = async (depth: number, ...without: Optimization[]) =>
      (await states(RECURSION(depth), 5000n, without)).statistics.exits.untranslated;
    const deep = 5 * RETURNS_DEPTH;
    // Each time round is some 2 * deep counted transfers, and too deep four times.
    const least = Number(LAST_BRANCHES) / (2 * deep);
    expect(await untranslated(deep, 'compact')).toBeGreaterThan((await untranslated(deep)) + least);
    expect(await untranslated(RETURNS_DEPTH / 2, 'compact')).toBeLessThan(least);
  });
});
