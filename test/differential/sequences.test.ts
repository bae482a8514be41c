import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { Godwit, USUAL } from './godwit.ts';
import { fillWithSequences, newBatch, type Setting } from './program.ts';
import { QEMU_MISSING } from './qemu.ts';
import { runBatch } from './run.ts';
import { LONG, seedOf } from './seed.ts';

const SEQUENCE_LENGTH = 30;
const BATCH_CASES = LONG ? 8000 : 2000;
const BATCHES = LONG ? 8 : 1;

const SETTINGS: readonly Setting[] = [
  { name: 'M, no translation', privilege: 'M', translation: 'bare' },
  { name: 'S, Sv39', privilege: 'S', translation: 'sv39' },
  { name: 'U, Sv39', privilege: 'U', translation: 'sv39' },
  { name: 'S, Sv48', privilege: 'S', translation: 'sv48' },
  { name: 'U, Sv48', privilege: 'U', translation: 'sv48' },
];

describe.skipIf(QEMU_MISSING !== '')(`random sequences against QEMU ${QEMU_MISSING}`, () => {
  let cases = 0;
  afterAll(() => {
    console.log(`sequences: ${cases} of about ${SEQUENCE_LENGTH} instructions`);
  });

  const runs = SETTINGS.map((setting, i) => ({ name: setting.name, setting, usual: 21 + i, stepping: false }));
  const stepped = { ...runs[0]!, name: 'M, one instruction at a time', usual: 31, stepping: true };
  it.each([...runs, stepped])('$name', { timeout: 600_000 }, async ({ name, setting, usual, stepping }) => {
    const reports: string[] = [];
    const { seed, note } = seedOf(name, usual);
    const random = new Random(seed);
    const godwit = await Godwit.create({ ...USUAL, stepping });
    for (let i = 0; i < BATCHES; i++) {
      const batch = newBatch(setting, stepping ? BATCH_CASES / 8 : BATCH_CASES);
      fillWithSequences(batch, setting, SEQUENCE_LENGTH, random);
      await runBatch(batch, godwit, reports);
      cases += batch.count;
      expect(reports, note).toEqual([]);
    }
  });
});
