import { afterAll, describe, expect, it } from 'vitest';
import { OPTIMIZATION_NAMES } from '../../src/execute/jit/options.ts';
import { Random } from '../../src/isa/generate/index.ts';
import { QEMU_MISSING, runQemu } from '../differential/qemu.ts';
import { LONG, seedOf } from '../differential/seed.ts';
import { comparePrograms, type Machines, makeMachines } from './compare-tiers.ts';
import { buildGraph } from './graph-program.ts';

const PROGRAMS = LONG ? 600 : 24;
const QEMU_PROGRAMS = LONG ? 60 : 5;
/** Every place is a module at threshold 1, so machines are taken anew from time to time. */
const PROGRAMS_PER_MACHINE = 12;

describe('generated control flow', () => {
  let instructions = 0n;
  let regions = 0;
  afterAll(() => {
    console.log(`generated control flow: ${instructions} instructions each way, ${regions} regions`);
  });

  it('does the same interpreted, stepped and translated, at every point', { timeout: 3_600_000 }, async () => {
    const { seed, note } = seedOf('generated control flow', 71);
    const random = new Random(seed);
    let machines: Machines | undefined;
    for (let i = 0; i < PROGRAMS; i++) {
      if (i % PROGRAMS_PER_MACHINE === 0) {
        machines = await makeMachines(OPTIMIZATION_NAMES[(i / PROGRAMS_PER_MACHINE) % OPTIMIZATION_NAMES.length]!);
      }
      // The first one has the test's own seed: so that one program can be run alone.
      const programSeed = i === 0 ? seed : random.word();
      const outcome = comparePrograms(machines!, buildGraph(programSeed));
      expect(outcome.difference, `program ${i}, GODWIT_SEED=${programSeed} (${note})`).toBeUndefined();
      instructions += outcome.instructions;
      regions += outcome.regions;
    }
    expect(regions).toBeGreaterThan(PROGRAMS);
  });

  it.skipIf(QEMU_MISSING !== '')(`does the same in QEMU ${QEMU_MISSING}`, { timeout: 3_600_000 }, async () => {
    const { seed, note } = seedOf('generated control flow in QEMU', 72);
    const random = new Random(seed);
    const machines = await makeMachines('blocks');
    for (let i = 0; i < QEMU_PROGRAMS; i++) {
      const programSeed = i === 0 ? seed : random.word();
      const program = buildGraph(programSeed, { fenced: true });
      const theirs = runQemu(program.image);
      const { result } = comparePrograms(machines, program);
      const differs = (await theirs).findIndex((byte, at) => byte !== result[at]);
      expect(differs, `byte of the result; program ${i}, GODWIT_SEED=${programSeed} (${note})`).toBe(-1);
    }
  });
});
