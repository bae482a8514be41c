import { describe, expect, it } from 'vitest';
import { TranslationCache } from '../../src/execute/jit/cache.ts';
import { OPTIMIZATION_NAMES, type Optimization, optimizationsWithout } from '../../src/execute/jit/options.ts';
import { Random } from '../../src/isa/generate/random.ts';
import { Godwit, USUAL } from '../differential/godwit.ts';
import { fillWithSequences, newBatch, type Setting } from '../differential/program.ts';
import { seedOf } from '../differential/seed.ts';
import { programMachine } from './program.ts';

/**
 * Calls, returns, a jump table, floating point, CSRs, neighbouring accesses, a cold block and a region that ends in
 * another page.
 */
const PROGRAM = `
          auipc s2,0x0
          lui t0,0x6
          csrrs zero,mstatus,t0
          fcvt.d.w fa0,zero
          addi t1,zero,3
          fcvt.d.w fa1,t1
          addi s0,zero,0
outer:    addi s1,zero,40
inner:    jal ra,work
          andi t2,s1,12
          add t3,s2,t2
          addi t3,t3,512
          lw t4,512(s2)
          bne t4,zero,cold
          jalr zero,-384(t3)
back:     addi s1,s1,-1
          bne s1,zero,inner
          csrrw a4,mscratch,s0
          addi s0,s0,1
          jal zero,outer
cold:     addi a7,a7,1
          jal zero,back
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          addi zero,zero,0
          jal zero,first
          jal zero,second
          jal zero,third
          jal zero,fourth
first:    addi a1,a1,1
          jal zero,back
second:   xor a1,a1,s1
          jal zero,back
third:    add a2,a2,a1
          jal zero,back
fourth:   mul a3,a3,s1
          jal zero,back
work:     fadd.d fa2,fa2,fa1
          fdiv.d fa3,fa2,fa1
          sd a1,1024(s2)
          sd a2,1032(s2)
          ld a5,1024(s2)
          ld a6,1032(s2)
          jalr zero,0(ra)
`;
const LAST_BRANCHES = 300_000n;

const SETTINGS: readonly Setting[] = [
  { name: 'M', privilege: 'M', translation: 'bare' },
  { name: 'U, Sv39', privilege: 'U', translation: 'sv39' },
];
const CASES = 40;

const VARIANTS: readonly { name: string; without: readonly Optimization[] }[] = [
  ...OPTIMIZATION_NAMES.map((name) => ({ name, without: [name] })),
  { name: 'all', without: OPTIMIZATION_NAMES },
];

async function runProgram(without: readonly Optimization[], enabled = true) {
  const core = await programMachine(PROGRAM, {
    cache: new TranslationCache(),
    translation: { enabled, threshold: 40, optimizations: optimizationsWithout(without) },
  });
  const seen: unknown[] = [];
  while (core.current.branches < LAST_BRANCHES) {
    core.run(core.current.branches + 10_000n);
    seen.push({ ...core.point, instructions: core.instructionsRetired, digest: core.digest() });
  }
  return { seen, statistics: core.engine.statistics(core.current.address) };
}

describe('without an optimisation', () => {
  const { seed, note } = seedOf('optimizations', 91);
  /** The same sequences for all. */
  const batches = SETTINGS.map((setting, i) => {
    const batch = newBatch(setting, CASES);
    fillWithSequences(batch, setting, 30, new Random(seed + i));
    return batch;
  });
  const results = async (translation: Parameters<typeof Godwit.create>[0]) => {
    const godwit = await Godwit.create(translation);
    return batches.map((batch) => Buffer.from(godwit.run(batch.image('godwit'))).toString('base64'));
  };

  it.each(VARIANTS)('$name, a program goes through the same states', async ({ without }) => {
    const reference = await runProgram([], false);
    expect(reference.statistics.translatedInstructions).toBe(0);
    const { seen, statistics } = await runProgram(without);
    expect(seen).toEqual(reference.seen);
    expect(statistics.translatedInstructions).toBeGreaterThan(100_000);
  });

  it.each(VARIANTS)('$name, random sequences give the same', async ({ without }) => {
    const reference = await results({ ...USUAL, translation: { enabled: false } });
    const translation = { enabled: true, threshold: 1, optimizations: optimizationsWithout(without) };
    expect(await results({ ...USUAL, translation }), note).toEqual(reference);
  });
});

describe('statistics of the engine', () => {
  const exits = async (...without: Optimization[]) => (await runProgram(without)).statistics.exits;

  it('say why translated code was left', async () => {
    const all = await exits();
    expect(all.event).toBeGreaterThan(5);
    expect((await exits('float')).system).toBeGreaterThan(all.system + 10_000);
    expect((await exits('host-float')).system).toBeGreaterThan(all.system + 10_000);
    expect((await exits('csr')).system).toBeGreaterThan(all.system + 500);
    expect((await exits('linking', 'calls')).untranslated).toBeGreaterThan(all.untranslated + 10_000);
  });

  it('count regions and what is compiled', async () => {
    const { statistics } = await runProgram([]);
    expect(statistics.regions).toBe(statistics.translated - statistics.dropped);
    expect(statistics.compiled).toBe(statistics.translated - statistics.cached);
    expect(statistics.bytes).toBeGreaterThan(1000);
    expect(statistics.decodedPages).toBe(1);
    const single = (await runProgram(['blocks'])).statistics;
    expect(single.translated).toBeGreaterThan(statistics.translated);
  });
});
