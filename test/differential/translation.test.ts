import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { Godwit, TRANSLATED, USUAL } from './godwit.ts';
import { QEMU_MISSING } from './qemu.ts';
import { LONG, seedOf } from './seed.ts';
import { SystemBatch } from './system-batch.ts';
import { addWalk, WALK_LAYOUT, WALK_SEGMENTS, type WalkCase } from './walk.ts';
import { walkAllows } from './walk-check.ts';

const BATCH_CASES = 12_000;
const BATCHES = LONG ? 20 : 1;

describe.skipIf(QEMU_MISSING !== '')(`page-table walks and PMP against QEMU ${QEMU_MISSING}`, () => {
  let cases = 0;
  afterAll(() => {
    console.log(`page-table walks and PMP: ${cases} cases`);
  });

  const kinds = [
    { name: 'Sv39', kind: { mode: 'sv39', protection: false, updates: false }, usual: 41 },
    { name: 'Sv48', kind: { mode: 'sv48', protection: false, updates: false }, usual: 42 },
    { name: 'PMP without translation', kind: { mode: 'bare', protection: true, updates: false }, usual: 43 },
    { name: 'PMP under Sv39', kind: { mode: 'sv39', protection: true, updates: false }, usual: 44 },
    { name: 'Sv39, A and D updated', kind: { mode: 'sv39', protection: false, updates: true }, usual: 45 },
    { name: 'Sv48, A and D updated', kind: { mode: 'sv48', protection: false, updates: true }, usual: 46 },
    { name: 'PMP under Sv39, A and D updated', kind: { mode: 'sv39', protection: true, updates: true }, usual: 47 },
  ] as const;
  const tiers = [
    { tier: '', options: USUAL, size: BATCH_CASES },
    { tier: ', translated', options: TRANSLATED, size: BATCH_CASES / 4 },
  ];
  const runs = kinds.flatMap((one) => tiers.map((tier) => ({ ...one, ...tier, name: one.name + tier.tier })));
  it.each(runs)('$name', { timeout: 1_800_000 }, async ({ name, kind, options, size, usual }) => {
    const reports: string[] = [];
    const { seed, note } = seedOf(name, usual);
    const random = new Random(seed);
    const godwit = await Godwit.create(options);
    for (let i = 0; i < BATCHES; i++) {
      const batch = new SystemBatch(WALK_LAYOUT, size, WALK_SEGMENTS);
      const walks: WalkCase[] = [];
      while (batch.count < size) {
        batch.add((set) => {
          const walk = addWalk(random, kind, set);
          walks.push(walk);
          return `${walk.access.name}, ${name}`;
        });
      }
      await batch.compare(godwit, (word, result) => walkAllows(word, result, walks[result.index]!), reports);
      cases += batch.count;
      expect(reports, note).toEqual([]);
    }
  });
});
