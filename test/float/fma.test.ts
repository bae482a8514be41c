import { describe, expect, it } from 'vitest';
import * as model from './model.ts';
import { type Format, OPERATIONS } from './operations.ts';
import { Random } from './random.ts';
import { RECORD_BYTES, Runner } from './runner.ts';

/**
 * The hardest sums for a fused multiply-add: the product's upper part ends halfway between two neighbours of the
 * addend's size, and only its last bits, a long run of zeros or ones further down, say to which side the sum goes.
 * Random operands never come near such a product; continued fractions find them.
 */
const SEED = 11;
const FACTORS = 400;

interface Product {
  readonly a: bigint;
  readonly b: bigint;
  /** a * b = upper * 2^gap + rest, with a rest that is small on either side of zero, and never zero. */
  readonly upper: bigint;
  readonly gap: number;
}

/** Convergents of a / 2^gap: their denominators b make a * b fall close to a multiple of 2^gap. */
function productsOf(a: bigint, gap: number, precision: number): Product[] {
  const found: Product[] = [];
  let [numerator, denominator] = [a, 1n << BigInt(gap)];
  let [upper, upperBefore, b, bBefore] = [1n, 0n, 0n, 1n];
  while (denominator !== 0n && b >> BigInt(precision) === 0n) {
    const rest = a * b - (upper << BigInt(gap));
    if (b >> BigInt(precision - 8) !== 0n && rest !== 0n && upper !== 0n) found.push({ a, b, upper, gap });
    const quotient = numerator / denominator;
    [numerator, denominator] = [denominator, numerator - quotient * denominator];
    [upper, upperBefore] = [quotient * upper + upperBefore, upper];
    [b, bBefore] = [quotient * b + bBefore, b];
  }
  return found;
}

/** 4x^4 + 1 = (2x^2 - 2x + 1)(2x^2 + 2x + 1), with x a power of two: one bit, and one more as far below as can be. */
function sparseProduct(precision: number): Product {
  const k = (precision - 3) >> 1;
  const x = 1n << BigInt(k);
  return { a: 2n * x * x - 2n * x + 1n, b: 2n * x * x + 2n * x + 1n, upper: 1n, gap: 4 * k + 2 };
}

function encode(format: Format, negative: boolean, mantissa: bigint, exponent: number): bigint {
  const { bits, flags } = model.round(format, negative, mantissa, exponent, 0);
  if (flags !== 0n) throw new Error('an operand is not representable');
  return bits;
}

/** An addend whose last place is twice the last bit of the product's upper part. */
function addendOf(format: Format, { upper, gap }: Product, negative: boolean, random: Random): bigint {
  const { precision } = model.SHAPES[format];
  const trailing = upper.toString(2).length - upper.toString(2).replace(/0+$/, '').length;
  const leading = 1n << BigInt(precision - 1);
  const mantissa = leading | (random.bits(64) & (leading - 1n));
  return encode(format, negative, mantissa, gap + trailing + 1 - 2 * (precision - 1));
}

function casesOf(format: Format, random: Random): bigint[][] {
  const { precision } = model.SHAPES[format];
  const cases: bigint[][] = [];
  for (let i = 0; i < FACTORS; i++) {
    const a = (1n << BigInt(precision - 1)) | (random.bits(64) & ((1n << BigInt(precision - 1)) - 1n)) | 1n;
    const gap = precision + 1 + random.below(precision - 4);
    for (const product of [...productsOf(a, gap, precision), sparseProduct(precision)]) {
      const sign = random.below(2) === 1;
      const first = encode(format, sign, product.a, 1 - precision);
      const second = encode(format, false, product.b, 1 - precision);
      for (const opposite of [false, true]) {
        cases.push([first, second, addendOf(format, product, sign !== opposite, random)]);
      }
    }
  }
  return cases;
}

describe('sums that the last bits of a product decide', () => {
  const runner = new Runner();
  for (const format of ['f32', 'f64'] as const) {
    for (const rm of [0, 1, 2, 3, 4]) {
      it(`${format} in mode ${rm}`, () => {
        const operation = OPERATIONS.find(({ name }) => name === `${format}.fma`)!;
        const cases = casesOf(format, new Random(SEED));
        expect(cases.length).toBeGreaterThan(FACTORS);
        for (const [index, [a, b, c]] of cases.entries()) {
          const { bits, flags } = model.fma(format, [a!, b!, c!], rm);
          runner.longs.set([a!, b!, c!, bits, flags], (index * RECORD_BYTES) / 8);
        }
        expect(runner.failure(operation, cases.length, rm), `seed ${SEED}`).toBeUndefined();
      });
    }
  }
});
