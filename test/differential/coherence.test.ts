import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { buildCoherence, firstDifference } from './coherence.ts';
import { Godwit, TRANSLATED, USUAL } from './godwit.ts';
import { QEMU_MISSING, runQemu } from './qemu.ts';
import { LONG, seedOf } from './seed.ts';

const STEPS = 15_000;
const PROGRAMS = LONG ? 30 : 2;
/** Each step is new code, so translating all of it first takes its time. */
const TRANSLATED_STEPS = LONG ? 3000 : 500;

describe.skipIf(QEMU_MISSING !== '')(`changing page tables against QEMU ${QEMU_MISSING}`, () => {
  let steps = 0;
  afterAll(() => {
    console.log(`changing page tables: ${steps} steps`);
  });

  const runs = [
    { name: 'fences, address spaces, aliases and patched code', options: USUAL, length: STEPS, programs: PROGRAMS },
    { name: 'the same, translated', options: TRANSLATED, length: TRANSLATED_STEPS, programs: 1 },
  ].flatMap((run) => [
    { ...run, updates: false },
    { ...run, name: `${run.name}, with A and D set by the hart`, updates: true },
  ]);
  it.each(runs)('$name', { timeout: 1_800_000 }, async ({ name, options, length, programs, updates }) => {
    const { seed, note } = seedOf(name, 61);
    const random = new Random(seed);
    const godwit = await Godwit.create(options);
    for (let i = 0; i < programs; i++) {
      const program = buildCoherence(random, length, updates);
      const qemu = runQemu(program.image);
      const ours = godwit.run(program.image);
      steps += length;
      expect(firstDifference(program, ours, await qemu), note).toBeUndefined();
    }
  });
});
