import { canonicalNaN, infinity, SHAPES } from './model.ts';
import type { Format, Kind } from './operations.ts';
import type { Random } from './random.ts';

/**
 * Patterns where something changes: zeros, the ends of each range, ones, powers of two, infinities, both sorts of NaN.
 */
export function edgesOf(kind: Kind): bigint[] {
  return kind === 'f32' || kind === 'f64' ? floatEdges(kind) : integerEdges();
}

function floatEdges(format: Format): bigint[] {
  const { precision, emax, width } = SHAPES[format];
  const fractionBits = BigInt(precision - 1);
  const power = (exponent: number) => BigInt(exponent + emax) << fractionBits;
  const magnitudes = [
    0n,
    1n,
    (1n << fractionBits) - 1n,
    power(1 - emax),
    power(1 - emax) + 1n,
    power(-1),
    power(0),
    power(0) + 1n,
    power(1) - 1n,
    power(precision - 1) + 1n,
    power(31),
    power(32) - 1n,
    power(63),
    power(64),
    infinity(format, false) - 1n,
    infinity(format, false),
    infinity(format, false) + 1n,
    canonicalNaN(format),
    canonicalNaN(format) + 1n,
  ];
  return magnitudes.flatMap((magnitude) => [magnitude, magnitude | (1n << (width - 1n))]);
}

function integerEdges(): bigint[] {
  const near = [0n, 24n, 25n, 31n, 32n, 53n, 54n, 62n, 63n].flatMap((place) => {
    const power = 1n << place;
    return [power - 1n, power, power + 1n, power + power / 2n];
  });
  return near.flatMap((value) => [value, -value]).map((value) => BigInt.asUintN(64, value));
}

/** A pattern of any kind; for floats often one with few significant bits or an exponent near one of few. */
export function randomOperand(kind: Kind, random: Random): bigint {
  if (kind !== 'f32' && kind !== 'f64') return random.bits(64) >> BigInt(random.below(64));
  const { precision, emax, width } = SHAPES[kind];
  const bits = random.bits(Number(width) as 32 | 64);
  const fractionBits = BigInt(precision - 1);
  const fraction = bits & ((1n << fractionBits) - 1n);
  const sign = bits & (1n << (width - 1n));
  const near = (middle: number, spread: number) =>
    BigInt(Math.min(2 * emax, Math.max(0, middle + random.below(2 * spread + 1) - spread))) << fractionBits;
  const short = (fraction >> BigInt(random.below(precision))) << BigInt(random.below(precision));
  const clipped = short & ((1n << fractionBits) - 1n);
  switch (random.below(8)) {
    case 0:
      return random.pick(floatEdges(kind));
    case 1:
      return sign | near(emax, 3) | fraction;
    case 2:
      return sign | near(emax, precision + 3) | clipped;
    case 3:
      return sign | near(0, 3) | clipped;
    case 4:
      return sign | near(emax + 32, 34) | fraction;
    case 5:
      return sign | near(emax >> 1, precision) | clipped;
    case 6:
      return sign | near(emax + (emax >> 1), precision) | fraction;
    default:
      return bits;
  }
}
