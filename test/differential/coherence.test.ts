import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { buildCoherence, firstDifference } from './coherence.ts';
import { Godwit } from './godwit.ts';
import { QEMU_MISSING, runQemu } from './qemu.ts';
import { LONG, seedOf } from './seed.ts';

const STEPS = 15_000;
const PROGRAMS = LONG ? 30 : 3;

describe.skipIf(QEMU_MISSING !== '')(`changing page tables against QEMU ${QEMU_MISSING}`, () => {
  let steps = 0;
  afterAll(() => {
    console.log(`changing page tables: ${steps} steps`);
  });

  it('fences, address spaces, aliases and patched code', { timeout: 600_000 }, async () => {
    const { seed, note } = seedOf('changing page tables', 61);
    const random = new Random(seed);
    const godwit = await Godwit.create();
    for (let i = 0; i < PROGRAMS; i++) {
      const program = buildCoherence(random, STEPS);
      const qemu = runQemu(program.image);
      const ours = godwit.run(program.image);
      steps += STEPS;
      expect(firstDifference(program, ours, await qemu), note).toBeUndefined();
    }
  });
});
