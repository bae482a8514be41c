import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { Godwit } from './godwit.ts';
import { QEMU_MISSING } from './qemu.ts';
import { LONG, seedOf } from './seed.ts';
import { SystemBatch } from './system-batch.ts';
import { addTrap, TRAP_LAYOUT, TRAP_SEGMENTS } from './trap-cases.ts';
import { trapAllows } from './trap-check.ts';

const BATCH_CASES = 20_000;
const BATCHES = LONG ? 20 : 1;

describe.skipIf(QEMU_MISSING !== '')(`traps against QEMU ${QEMU_MISSING}`, () => {
  let cases = 0;
  afterAll(() => {
    console.log(`traps: ${cases} cases`);
  });

  it('exceptions, interrupts, delegation and returns', { timeout: 600_000 }, async () => {
    const reports: string[] = [];
    const { seed, note } = seedOf('traps', 51);
    const random = new Random(seed);
    const godwit = await Godwit.create();
    for (let i = 0; i < BATCHES; i++) {
      const batch = new SystemBatch(TRAP_LAYOUT, BATCH_CASES, TRAP_SEGMENTS);
      while (batch.count < BATCH_CASES) batch.add((set) => addTrap(random, set));
      await batch.compare(godwit, trapAllows, reports);
      cases += batch.count;
      expect(reports, note).toEqual([]);
    }
  });
});
