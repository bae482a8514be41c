import { describe, expect, it } from 'vitest';
import { MODE_NAMES, modesOf, OPERATIONS } from './operations.ts';
import { Runner } from './runner.ts';
import { findGenerator, runVectors } from './vectors.ts';

/**
 * Berkeley TestFloat's vectors, with RISC-V's choices. GODWIT_LONG=1 runs all of level 1 and a million of level 2 per
 * mode.
 */
const long = process.env.GODWIT_LONG === '1';
const LIMIT = long ? Number.POSITIVE_INFINITY : 50_000;
const LEVEL_2_LIMIT = 1_000_000;
const SEED = 1;

const generator = findGenerator();
if ('reason' in generator) console.warn(`skipped: ${generator.reason}`);

describe.skipIf('reason' in generator)('vectors of Berkeley TestFloat', () => {
  const runner = new Runner();
  const path = 'path' in generator ? generator.path : '';
  for (const operation of OPERATIONS.filter(({ testfloat }) => testfloat)) {
    it(operation.name, { timeout: long ? 3_600_000 : 60_000 }, async () => {
      for (const rm of modesOf(operation)) {
        const seed = SEED + rm;
        const { cases, failure } = await runVectors(path, runner, operation, rm, { limit: LIMIT, level: 1, seed });
        expect(failure).toBeUndefined();
        expect(cases, `${operation.name} ${MODE_NAMES[rm]}`).toBeGreaterThan(300);
        if (!long) continue;
        const more = await runVectors(path, runner, operation, rm, { limit: LEVEL_2_LIMIT, level: 2, seed });
        expect(more.failure).toBeUndefined();
      }
    });
  }
});
