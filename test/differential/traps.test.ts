import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { addCsr, CSR_LAYOUT, CSR_SEGMENTS, csrAllows } from './csr-cases.ts';
import { Godwit, TRANSLATED, USUAL } from './godwit.ts';
import { QEMU_MISSING } from './qemu.ts';
import { LONG, seedOf } from './seed.ts';
import { SystemBatch } from './system-batch.ts';
import { addTrap, TRAP_LAYOUT, TRAP_SEGMENTS } from './trap-cases.ts';
import { trapAllows } from './trap-check.ts';

const BATCH_CASES = 10_000;
const BATCHES = LONG ? 20 : 1;

describe.skipIf(QEMU_MISSING !== '')(`traps and CSRs against QEMU ${QEMU_MISSING}`, () => {
  let cases = 0;
  afterAll(() => {
    console.log(`traps and CSRs: ${cases} cases`);
  });

  const kinds = [
    {
      name: 'exceptions, interrupts, delegation and returns',
      layout: TRAP_LAYOUT,
      segments: TRAP_SEGMENTS,
      add: addTrap,
      allows: trapAllows,
    },
    {
      name: 'what CSRs keep of what is written',
      layout: CSR_LAYOUT,
      segments: CSR_SEGMENTS,
      add: addCsr,
      allows: csrAllows,
    },
  ];
  const tiers = [
    { tier: '', options: USUAL },
    { tier: ', translated', options: TRANSLATED },
  ];
  const runs = kinds.flatMap((one) => tiers.map((tier) => ({ ...one, ...tier, name: one.name + tier.tier })));
  it.each(runs)('$name', { timeout: 1_800_000 }, async ({ name, layout, segments, add, allows, options }) => {
    const reports: string[] = [];
    const { seed, note } = seedOf(name, 51);
    const random = new Random(seed);
    const godwit = await Godwit.create(options);
    for (let i = 0; i < BATCHES; i++) {
      const batch = new SystemBatch(layout, BATCH_CASES, segments);
      while (batch.count < BATCH_CASES) batch.add((set) => add(random, set));
      await batch.compare(godwit, allows, reports);
      cases += batch.count;
      expect(reports, note).toEqual([]);
    }
  });
});
