import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '../../src/isa/generate/random.ts';
import { Godwit, TRANSLATED, USUAL } from './godwit.ts';
import { fillWithSequences, newBatch, type Setting } from './program.ts';
import { QEMU_MISSING } from './qemu.ts';
import { runBatch } from './run.ts';
import { LONG, seedOf } from './seed.ts';

const SEQUENCE_LENGTH = 30;
const BATCH_CASES = LONG ? 8000 : 1500;
const BATCHES = LONG ? 8 : 1;
const TRANSLATED_CASES = LONG ? 1500 : 80;
const STEPPED_CASES = LONG ? 1000 : 200;

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

  const interpreted = SETTINGS.map((setting, i) => ({
    ...{ name: setting.name, setting, options: USUAL },
    ...{ size: BATCH_CASES, batches: BATCHES, usual: 21 + i },
  }));
  const translated = SETTINGS.map((setting, i) => ({
    ...{ name: `${setting.name}, translated`, setting, options: TRANSLATED },
    ...{ size: TRANSLATED_CASES, batches: 1, usual: 26 + i },
  }));
  const stepped = {
    ...{ name: 'M, one instruction at a time', setting: SETTINGS[0]!, options: { ...USUAL, stepping: true } },
    ...{ size: STEPPED_CASES, batches: 1, usual: 31 },
  };
  const sliced = [USUAL, TRANSLATED].map((options, i) => ({
    ...{ name: `U, Sv39, stopped at every transfer, ${i ? 'translated' : 'interpreted'}`, setting: SETTINGS[2]! },
    ...{ options: { ...options, sliceBranches: 1n }, size: TRANSLATED_CASES, batches: 1, usual: 32 + i },
  }));
  /** Only what repeats is translated, in the middle of a program. */
  const warm = SETTINGS.slice(0, 2).map((setting, i) => ({
    ...{ name: `${setting.name}, translated at the fourth visit`, setting, size: 4 * TRANSLATED_CASES, batches: 1 },
    ...{ options: { ...USUAL, translation: { enabled: true, threshold: 4 } }, usual: 34 + i },
  }));
  const runs = [...interpreted, ...translated, ...warm, stepped, ...sliced];
  it.each(runs)('$name', { timeout: 1_800_000 }, async ({ name, setting, options, size, batches, usual }) => {
    const reports: string[] = [];
    const { seed, note } = seedOf(name, usual);
    const random = new Random(seed);
    const godwit = await Godwit.create(options);
    for (let i = 0; i < batches; i++) {
      const batch = newBatch(setting, size);
      fillWithSequences(batch, setting, SEQUENCE_LENGTH, random);
      await runBatch(batch, godwit, reports);
      cases += batch.count;
      expect(reports, note).toEqual([]);
    }
  });
});
