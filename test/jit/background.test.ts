import { describe, expect, it } from 'vitest';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import {
  type CompiledBatch,
  compileBatch,
  DirectCompiler,
  type RegionBatch,
  type RegionCompiler,
} from '../../src/execute/jit/compiler.ts';
import { Random } from '../../src/isa/generate/random.ts';
import { programMachine } from './program.ts';

/** Hands modules over late and in any order, as another thread may. */
class LateCompiler implements RegionCompiler {
  private readonly random: Random;
  private readonly patience: number;
  private waiting: CompiledBatch[] = [];
  taken = 0;

  constructor(seed: number, patience: number) {
    this.random = new Random(seed);
    this.patience = patience;
  }

  submit(batch: RegionBatch): void {
    this.waiting.push(compileBatch(batch, () => 0));
  }

  take(): readonly CompiledBatch[] {
    const due = this.waiting.filter(() => this.random.below(this.patience) === 0);
    this.waiting = this.waiting.filter((batch) => !due.includes(batch));
    this.taken += due.length;
    return due;
  }
}

/** Rewrites the instruction at `work`, byte 64, now and then, and a word beside the code all the time. */
const PROGRAM = `
          auipc s2,0x0
          lui s4,0x100
          addi s0,zero,0
outer:    addi s1,zero,60
inner:    jal ra,work
          sw s1,256(s2)
          addi s1,s1,-1
          bne s1,zero,inner
          addi s0,s0,1
          andi t0,s0,63
          bne t0,zero,outer
          lw t1,64(s2)
          add t1,t1,s4
          sw t1,64(s2)
          fence.i
          jal zero,outer
work:     addi a0,a0,1
          andi t2,s1,7
          beq t2,zero,rest
          addi a2,a2,3
rest:     xor a1,a1,a0
          mul a3,a1,a0
          jalr zero,0(ra)
`;

const LAST_BRANCHES = 1_000_000n;
const DIGEST_EVERY = 100_000n;

describe('code that is translated some time later', () => {
  /** With the compiler the threshold matters; without one nothing is translated. */
  const states = async (compiler: RegionCompiler | undefined, threshold = 30) => {
    const core = await programMachine(PROGRAM, {
      cache: new TranslationCache(),
      translation: { enabled: compiler !== undefined, threshold },
      ...(compiler && { compiler }),
    });
    const seen: unknown[] = [];
    for (let branches = DIGEST_EVERY; branches <= LAST_BRANCHES; branches += DIGEST_EVERY) {
      while (core.current.branches < branches)
        core.run(core.current.branches + 1500n < branches ? core.current.branches + 1500n : branches);
      seen.push({ ...core.point, digest: core.digest() });
    }
    return { seen, stats: core.engine.translator.stats };
  };

  it('does the same, whenever it comes', async () => {
    const reference = await states(undefined);
    let late = 0;
    let translated = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const compiler = new LateCompiler(seed, 1 + seed * 3);
      const { seen, stats } = await states(compiler, 5 + 10 * seed);
      expect(seen, `seed ${seed}`).toEqual(reference.seen);
      expect(stats.late).toBeLessThanOrEqual(stats.compiled);
      late += stats.late;
      translated += stats.translated;
    }
    // The test means something only if both happened.
    expect(late).toBeGreaterThan(0);
    expect(translated).toBeGreaterThan(20);
  });

  it('is made less and less of a page that keeps changing', async () => {
    const { stats } = await states(new DirectCompiler());
    // It changes some hundred times, and has a few hot places each time.
    expect(stats.compiled).toBeGreaterThan(10);
    expect(stats.compiled).toBeLessThan(100);
  });

  it('never comes when the compiler is too slow', async () => {
    const reference = await states(undefined);
    const { seen, stats } = await states({ submit: () => {}, take: () => [] });
    expect(seen).toEqual(reference.seen);
    expect(stats).toMatchObject({ translated: 0, compiled: 0, modules: 0 });
  });
});
