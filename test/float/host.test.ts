import { describe, expect, it } from 'vitest';
import { OPERATIONS } from './operations.ts';
import { Random } from './random.ts';
import { RECORD_BYTES, Runner } from './runner.ts';

/** Results to nearest even against JavaScript's own arithmetic, which has no flags and no other mode. */
const CASES = 20_000;
const SEED = 7;

const patterns = new BigInt64Array(2);
const doubles = new Float64Array(patterns.buffer);
const singles = new Float32Array(patterns.buffer);
const words = new Uint32Array(patterns.buffer);

const runner = new Runner();
const compute: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  sqrt: (a) => Math.sqrt(a),
};

/** A number, its pattern beside it; no NaN, and seldom an infinity. */
function randomNumber(format: string, random: Random): { value: number; bits: bigint } {
  for (;;) {
    patterns[0] = random.bits(64);
    // Exponents near each other, so that sums are more than their larger operand.
    if (random.below(2) === 0) patterns[0] = (patterns[0]! & -0x7f80_0000_7f80_0001n) | 0x3f80_0000_3f80_0000n;
    if (format === 'f32') words[1] = 0;
    const value = format === 'f32' ? singles[0]! : doubles[0]!;
    if (!Number.isNaN(value)) return { value, bits: patterns[0]! };
  }
}

describe('results to nearest even against the host', () => {
  for (const name of Object.keys(compute).flatMap((operation) => [`f32.${operation}`, `f64.${operation}`])) {
    it(name, () => {
      const operation = OPERATIONS.find((candidate) => candidate.name === name)!;
      const [format, kind] = name.split('.') as [string, string];
      const random = new Random(SEED);
      for (let i = 0; i < CASES; i++) {
        const [a, b] = [randomNumber(format, random), randomNumber(format, random)];
        const result = compute[kind]!(a.value, b.value);
        patterns[1] = 0n;
        if (format === 'f32') singles[2] = result;
        else doubles[1] = result;
        const nan = format === 'f32' ? 0x7fc0_0000n : 0x7ff8_0000_0000_0000n;
        const record = [a.bits, b.bits, 0n, Number.isNaN(result) ? nan : patterns[1]!, 0n];
        runner.longs.set(record, (i * RECORD_BYTES) / 8);
      }
      expect(runner.resultFailure(operation, CASES, 0), `seed ${SEED}`).toBeUndefined();
    });
  }
});
