import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { Godwit } from './godwit.ts';
import { QEMU_MISSING } from './qemu.ts';
import { LONG, seedOf } from './seed.ts';
import { SystemBatch } from './system-batch.ts';
import { addWalk, WALK_LAYOUT, WALK_SEGMENTS, type WalkCase } from './walk.ts';
import { walkAllows } from './walk-check.ts';

const BATCH_CASES = 20_000;
const BATCHES = LONG ? 20 : 1;

describe.skipIf(QEMU_MISSING !== '')(`page-table walks and PMP against QEMU ${QEMU_MISSING}`, () => {
  let cases = 0;
  afterAll(() => {
    console.log(`page-table walks and PMP: ${cases} cases`);
  });

  it.each([
    { name: 'Sv39', kind: { mode: 'sv39', protection: false }, usual: 41 },
    { name: 'Sv48', kind: { mode: 'sv48', protection: false }, usual: 42 },
    { name: 'PMP without translation', kind: { mode: 'bare', protection: true }, usual: 43 },
    { name: 'PMP under Sv39', kind: { mode: 'sv39', protection: true }, usual: 44 },
  ] as const)('$name', { timeout: 600_000 }, async ({ name, kind, usual }) => {
    const reports: string[] = [];
    const { seed, note } = seedOf(name, usual);
    const random = new Random(seed);
    const godwit = await Godwit.create();
    for (let i = 0; i < BATCHES; i++) {
      const batch = new SystemBatch(WALK_LAYOUT, BATCH_CASES, WALK_SEGMENTS);
      const walks: WalkCase[] = [];
      while (batch.count < BATCH_CASES) {
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
