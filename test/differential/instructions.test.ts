import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { Batch } from './batch.ts';
import { Godwit, TRANSLATED, USUAL } from './godwit.ts';
import { QEMU_MISSING } from './qemu.ts';
import { runBatch } from './run.ts';
import { LONG, seedOf } from './seed.ts';
import { addReserved, addSingle, RESERVED_SHORT, reservedWord, SINGLE_ROWS, UNKNOWN_TO_QEMU } from './single.ts';

const BATCH_CASES = 30_000;
const TRANSLATED_CASES = 1500;
const CASE_BYTES = 400;

/** Every row in turn, until the batch is full. */
function fill(batch: Batch, random: Random): void {
  for (;;) {
    for (const row of SINGLE_ROWS) {
      if (!batch.hasRoom(CASE_BYTES)) return;
      addSingle(batch, row, random);
    }
  }
}

describe.skipIf(QEMU_MISSING !== '')(`single instructions against QEMU ${QEMU_MISSING}`, () => {
  let cases = 0;
  afterAll(() => {
    console.log(`single instructions: ${cases} cases; QEMU lacks ${UNKNOWN_TO_QEMU.join(', ')}`);
  });

  const kinds = [
    { name: 'every row, edge operands', options: USUAL, size: BATCH_CASES, batches: LONG ? 40 : 4, usual: 11 },
    {
      name: 'without the fast paths of floating point',
      options: { ...USUAL, floatFastPaths: false },
      size: BATCH_CASES,
      batches: LONG ? 8 : 1,
      usual: 12,
    },
    { name: 'translated', options: TRANSLATED, size: TRANSLATED_CASES, batches: LONG ? 10 : 1, usual: 14 },
  ];
  it.each(kinds)('$name', { timeout: 1_800_000 }, async ({ name, options, size, batches, usual }) => {
    const reports: string[] = [];
    const { seed, note } = seedOf(name, usual);
    const random = new Random(seed);
    const godwit = await Godwit.create(options);
    for (let i = 0; i < batches; i++) {
      const batch = new Batch(size);
      fill(batch, random);
      await runBatch(batch, godwit, reports);
      cases += batch.count;
      expect(reports, note).toEqual([]);
    }
  });

  it('what is no instruction', { timeout: 600_000 }, async () => {
    const reports: string[] = [];
    const { seed, note } = seedOf('what is no instruction', 13);
    const random = new Random(seed);
    const batch = new Batch(BATCH_CASES);
    for (const bits of RESERVED_SHORT) addReserved(batch, bits, random);
    while (batch.hasRoom(CASE_BYTES)) addReserved(batch, reservedWord(random), random);
    await runBatch(batch, await Godwit.create(), reports);
    cases += batch.count;
    expect(reports, note).toEqual([]);
  });
});
