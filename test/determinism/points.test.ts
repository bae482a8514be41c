import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { ExecutionPoint } from '../../src/machine/execution-point.ts';
import { guestImages, guestOptions } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';

const SEED = Number(process.env.GODWIT_SEED ?? 20_261_123);
const POINTS = 12;
const SPACING_BRANCHES = 1_500_000;

/** mulberry32 */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe(`execution points (GODWIT_SEED=${SEED})`, async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  const create = (translation: { enabled: boolean; threshold: number }) => {
    const seed = new Uint8Array(32).fill(9);
    return MachineCore.create(guestOptions(images, { memoryBytes: 128 * 1024 ** 2, seed, translation }));
  };

  it.skipIf(reason)(
    `are reached exactly by the interpreter and by translated code${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      const next = random(SEED);
      const reference = await create({ enabled: false, threshold: 0 });
      const points: { point: ExecutionPoint; instructions: bigint; digest: bigint }[] = [];
      for (let i = 0; i < POINTS; i++) {
        reference.run(reference.current.branches + BigInt(Math.floor(next() * SPACING_BRANCHES) + 1));
        // Into the middle of straight code, and over transfers, one instruction at a time.
        for (let steps = Math.floor(next() * 40); steps > 0; steps--) reference.step();
        const { point } = reference;
        points.push({ point, instructions: reference.instructionsRetired, digest: reference.digest() });
      }
      for (const threshold of [100, 2500]) {
        const core = await create({ enabled: true, threshold });
        for (const { point, instructions, digest } of points) {
          expect(core.runTo(point)).toEqual({ kind: 'slice' });
          const reached = { point: core.point, instructions: core.instructionsRetired, digest: core.digest() };
          expect(reached).toEqual({ point, instructions, digest });
        }
      }
    },
    patient(180_000),
  );
});
