import { describe, expect, it } from 'vitest';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import { type Optimization, optimizationsWithout } from '../../src/execute/jit/options.ts';
import { programMachine, runTo } from './program.ts';

/** A stack frame that lies across a page's end: four accesses off sp, two on each side. */
const PROGRAM = `
          auipc sp,0x9
          addi sp,sp,-16
  again:  sd a0,0(sp)
          sd a1,8(sp)
          sd a2,16(sp)
          sd a3,24(sp)
          ld a4,0(sp)
          ld a5,24(sp)
          addi a0,a0,1
          add a1,a1,a5
          add a2,a2,a4
          xor a3,a3,a2
          bne a0,zero,again
          jal zero,again
`;
const LAST_BRANCHES = 60_000n;

async function run(enabled: boolean, ...without: Optimization[]) {
  return runWith(new TranslationCache(), enabled, without);
}

async function runWith(cache: TranslationCache, enabled: boolean, without: readonly Optimization[] = []) {
  const core = await programMachine(PROGRAM, {
    cache,
    translation: { enabled, threshold: 40, optimizations: optimizationsWithout(without) },
  });
  const seen: unknown[] = [];
  for (let to = 5000n; to <= LAST_BRANCHES; to += 5000n) {
    runTo(core, to);
    seen.push({ ...core.point, instructions: core.hart.instructionsRetired, digest: core.digest() });
  }
  const { exits } = core.engine.statistics(core.hart.address);
  return { seen, exits };
}

describe('neighbouring accesses that lie in two pages', () => {
  it('do the same, together and apart', async () => {
    const { seen } = await run(false);
    expect((await run(true)).seen).toEqual(seen);
    expect((await run(true, 'straddles')).seen).toEqual(seen);
  });

  it('are checked apart after a while', async () => {
    const { exits } = await run(true);
    expect(exits.straddle).toBeGreaterThan(1000);
    expect(exits.straddle).toBeLessThan(30_000);
    expect(exits.memory).toBeLessThan(1000);
    const cache = new TranslationCache();
    await runWith(cache, true);
    expect((await runWith(cache, true)).exits.straddle, 'found in the cache').toBeLessThan(1500);
    const together = (await run(true, 'straddles')).exits;
    expect(together.straddle).toBe(0);
    expect(together.memory).toBeGreaterThan(50_000);
  });
});
