import type { Format } from './operations.ts';

/**
 * Floating point from its definition (IEEE 754-2008, RISC-V "F" and "D" extensions), with exact numbers as BigInt and
 * no thought of speed. It shares nothing with the code under test.
 */
export const NX = 1n;
export const UF = 2n;
export const OF = 4n;
export const DZ = 8n;
export const NV = 16n;

interface Shape {
  readonly precision: number;
  readonly emax: number;
  readonly width: bigint;
}

export const SHAPES: Readonly<Record<Format, Shape>> = {
  f32: { precision: 24, emax: 127, width: 32n },
  f64: { precision: 53, emax: 1023, width: 64n },
};

/** (-1)^negative * mantissa * 2^exponent, or no number. */
export type Decoded =
  | { readonly kind: 'nan'; readonly signaling: boolean; readonly negative: boolean }
  | { readonly kind: 'infinite'; readonly negative: boolean }
  | { readonly kind: 'finite'; readonly negative: boolean; readonly mantissa: bigint; readonly exponent: number };

export interface Outcome {
  readonly bits: bigint;
  readonly flags: bigint;
}

const fractionBitsOf = (shape: Shape) => BigInt(shape.precision - 1);

export function decode(format: Format, bits: bigint): Decoded {
  const shape = SHAPES[format];
  const fractionBits = fractionBitsOf(shape);
  const negative = bits >> (shape.width - 1n) === 1n;
  const field = Number((bits >> fractionBits) & BigInt(2 * shape.emax + 1));
  const fraction = bits & ((1n << fractionBits) - 1n);
  if (field === 2 * shape.emax + 1) {
    if (fraction === 0n) return { kind: 'infinite', negative };
    return { kind: 'nan', signaling: fraction >> (fractionBits - 1n) === 0n, negative };
  }
  const mantissa = field === 0 ? fraction : fraction | (1n << fractionBits);
  return { kind: 'finite', negative, mantissa, exponent: Math.max(field, 1) - shape.emax - (shape.precision - 1) };
}

function signOf(shape: Shape, negative: boolean): bigint {
  return negative ? 1n << (shape.width - 1n) : 0n;
}

export function infinity(format: Format, negative: boolean): bigint {
  const shape = SHAPES[format];
  return signOf(shape, negative) | (BigInt(2 * shape.emax + 1) << fractionBitsOf(shape));
}

export function zero(format: Format, negative: boolean): bigint {
  return signOf(SHAPES[format], negative);
}

export function canonicalNaN(format: Format): bigint {
  return infinity(format, false) | (1n << (fractionBitsOf(SHAPES[format]) - 1n));
}

function shifted(value: bigint, places: number): bigint {
  return places >= 0 ? value << BigInt(places) : value >> BigInt(-places);
}

/** mantissa * 2^exponent as an integer, rounded as rm says, and whether that changed it. */
export function roundToIntegral(
  negative: boolean,
  mantissa: bigint,
  exponent: number,
  rm: number,
): { whole: bigint; inexact: boolean } {
  const whole = shifted(mantissa, exponent);
  if (exponent >= 0) return { whole, inexact: false };
  const rest = mantissa - (whole << BigInt(-exponent));
  if (rest === 0n) return { whole, inexact: false };
  const half = 1n << BigInt(-exponent - 1);
  const up = [rest > half || (rest === half && (whole & 1n) === 1n), false, negative, !negative, rest >= half][rm]!;
  return { whole: up ? whole + 1n : whole, inexact: true };
}

const lengthOf = (value: bigint) => value.toString(2).length;

/** Rounds a number that is not zero to the format. */
export function round(format: Format, negative: boolean, mantissa: bigint, exponent: number, rm: number): Outcome {
  const shape = SHAPES[format];
  const emin = 1 - shape.emax;
  const leading = exponent + lengthOf(mantissa) - 1;
  const unit = Math.max(leading, emin) - (shape.precision - 1);
  const { whole, inexact } = roundToIntegral(negative, mantissa, exponent - unit, rm);

  const freeUnit = leading - (shape.precision - 1);
  const free = roundToIntegral(negative, mantissa, exponent - freeUnit, rm).whole;
  const tiny = freeUnit + lengthOf(free) - 1 < emin;

  if (whole !== 0n && unit + lengthOf(whole) - 1 > shape.emax) {
    const toInfinity = rm === 0 || rm === 4 || (negative ? rm === 2 : rm === 3);
    const bits = infinity(format, negative);
    return { bits: toInfinity ? bits : bits - 1n, flags: OF | NX };
  }
  const subnormal = whole >> fractionBitsOf(shape) === 0n;
  const magnitude = subnormal
    ? whole
    : (BigInt(unit + lengthOf(whole) - 1 + shape.emax) << fractionBitsOf(shape)) |
      (shifted(whole, shape.precision - lengthOf(whole)) & ((1n << fractionBitsOf(shape)) - 1n));
  return { bits: signOf(shape, negative) | magnitude, flags: inexact ? NX | (tiny ? UF : 0n) : 0n };
}

const invalid = (format: Format): Outcome => ({ bits: canonicalNaN(format), flags: NV });
const exact = (bits: bigint): Outcome => ({ bits, flags: 0n });

function nanOf(format: Format, operands: readonly Decoded[], alsoInvalid = false): Outcome {
  const signaling = operands.some((x) => x.kind === 'nan' && x.signaling);
  return { bits: canonicalNaN(format), flags: signaling || alsoInvalid ? NV : 0n };
}

export function fma(format: Format, [a, b, c]: readonly [bigint, bigint, bigint], rm: number): Outcome {
  const [x, y, z] = [decode(format, a), decode(format, b), decode(format, c)];
  const isZero = (v: Decoded) => v.kind === 'finite' && v.mantissa === 0n;
  const infinityTimesZero = (x.kind === 'infinite' && isZero(y)) || (y.kind === 'infinite' && isZero(x));
  if (x.kind === 'nan' || y.kind === 'nan' || z.kind === 'nan') return nanOf(format, [x, y, z], infinityTimesZero);
  const negative = x.negative !== y.negative;
  if (x.kind === 'infinite' || y.kind === 'infinite') {
    if (infinityTimesZero || (z.kind === 'infinite' && z.negative !== negative)) return invalid(format);
    return exact(infinity(format, negative));
  }
  if (z.kind === 'infinite') return exact(infinity(format, z.negative));
  const product = { negative, mantissa: x.mantissa * y.mantissa, exponent: x.exponent + y.exponent };
  return sum(format, product, z, rm);
}

interface Dyadic {
  readonly negative: boolean;
  readonly mantissa: bigint;
  readonly exponent: number;
}

function sum(format: Format, x: Dyadic, y: Dyadic, rm: number): Outcome {
  const exponent = Math.min(x.exponent, y.exponent);
  const signed = (v: Dyadic) => (v.negative ? -1n : 1n) * (v.mantissa << BigInt(v.exponent - exponent));
  const total = signed(x) + signed(y);
  if (total === 0n) return exact(zero(format, x.negative === y.negative ? x.negative : rm === 2));
  return round(format, total < 0n, total < 0n ? -total : total, exponent, rm);
}

export function add(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  const [x, y] = [decode(format, a), decode(format, b)];
  if (x.kind === 'nan' || y.kind === 'nan') return nanOf(format, [x, y]);
  if (x.kind === 'infinite') {
    return y.kind === 'infinite' && x.negative !== y.negative ? invalid(format) : exact(a);
  }
  return y.kind === 'infinite' ? exact(b) : sum(format, x, y, rm);
}

export function sub(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  return add(format, a, b ^ signOf(SHAPES[format], true), rm);
}

export function mul(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  const [x, y] = [decode(format, a), decode(format, b)];
  if (x.kind === 'nan' || y.kind === 'nan') return nanOf(format, [x, y]);
  const negative = x.negative !== y.negative;
  if (x.kind === 'infinite' || y.kind === 'infinite') {
    const other = x.kind === 'infinite' ? y : x;
    return other.kind === 'finite' && other.mantissa === 0n ? invalid(format) : exact(infinity(format, negative));
  }
  const mantissa = x.mantissa * y.mantissa;
  if (mantissa === 0n) return exact(zero(format, negative));
  return round(format, negative, mantissa, x.exponent + y.exponent, rm);
}

/** More bits than any rounding position needs; what a division or root leaves is one more bit below. */
const GUARD = 200;

export function div(format: Format, a: bigint, b: bigint, rm: number): Outcome {
  const [x, y] = [decode(format, a), decode(format, b)];
  if (x.kind === 'nan' || y.kind === 'nan') return nanOf(format, [x, y]);
  const negative = x.negative !== y.negative;
  if (x.kind === 'infinite') return y.kind === 'infinite' ? invalid(format) : exact(infinity(format, negative));
  if (y.kind === 'infinite') return exact(zero(format, negative));
  if (y.mantissa === 0n) {
    return x.mantissa === 0n ? invalid(format) : { bits: infinity(format, negative), flags: DZ };
  }
  if (x.mantissa === 0n) return exact(zero(format, negative));
  const dividend = x.mantissa << BigInt(GUARD);
  const quotient = dividend / y.mantissa;
  const sticky = quotient * y.mantissa === dividend ? 0n : 1n;
  return round(format, negative, quotient * 2n + sticky, x.exponent - y.exponent - GUARD - 1, rm);
}

function squareRoot(n: bigint): bigint {
  let root = 1n << BigInt((lengthOf(n) >> 1) + 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

export function sqrt(format: Format, a: bigint, rm: number): Outcome {
  const x = decode(format, a);
  if (x.kind === 'nan') return nanOf(format, [x]);
  if (x.kind === 'finite' && x.mantissa === 0n) return exact(a);
  if (x.negative) return invalid(format);
  if (x.kind === 'infinite') return exact(a);
  const odd = x.exponent & 1;
  const square = x.mantissa << BigInt(GUARD + odd);
  const root = squareRoot(square);
  const sticky = root * root === square ? 0n : 1n;
  return round(format, false, root * 2n + sticky, (x.exponent - odd - GUARD) / 2 - 1, rm);
}

/** Numbers as rationals with one denominator, for comparing. */
function ordered(x: Decoded): bigint {
  if (x.kind === 'nan') throw new Error('a NaN has no place in an order');
  const size = x.kind === 'infinite' ? 1n << 4000n : x.mantissa << BigInt(x.exponent + 1100);
  return x.negative ? -size : size;
}

export function compare(format: Format, order: 'eq' | 'lt' | 'le', a: bigint, b: bigint): Outcome {
  const [x, y] = [decode(format, a), decode(format, b)];
  if (x.kind === 'nan' || y.kind === 'nan') {
    const { flags } = nanOf(format, [x, y], order !== 'eq');
    return { bits: 0n, flags };
  }
  const [p, q] = [ordered(x), ordered(y)];
  return exact({ eq: p === q, lt: p < q, le: p <= q }[order] ? 1n : 0n);
}

export function extreme(format: Format, which: 'min' | 'max', a: bigint, b: bigint): Outcome {
  const [x, y] = [decode(format, a), decode(format, b)];
  const { flags } = nanOf(format, [x, y]);
  if (x.kind === 'nan') return { bits: y.kind === 'nan' ? canonicalNaN(format) : b, flags };
  if (y.kind === 'nan') return { bits: a, flags };
  const [p, q] = [ordered(x), ordered(y)];
  const firstIsLess = p === q ? x.negative : p < q;
  return exact(firstIsLess === (which === 'min') ? a : b);
}

export function classify(format: Format, a: bigint): Outcome {
  const x = decode(format, a);
  if (x.kind === 'nan') return exact(x.signaling ? 1n << 8n : 1n << 9n);
  const subnormalLimit = 1n << fractionBitsOf(SHAPES[format]);
  const place = x.kind === 'infinite' ? 0 : x.mantissa === 0n ? 3 : x.mantissa < subnormalLimit ? 2 : 1;
  return exact(1n << BigInt(x.negative ? place : 7 - place));
}

export function toInteger(format: Format, name: string, a: bigint, rm: number): Outcome {
  const width = BigInt(name.slice(1));
  const signed = name.startsWith('i');
  const largest = (1n << (signed ? width - 1n : width)) - 1n;
  const smallest = signed ? -(1n << (width - 1n)) : 0n;
  const register = (value: bigint) => (width === 32n ? BigInt.asIntN(32, value) : value);
  const x = decode(format, a);
  if (x.kind === 'nan') return { bits: register(largest), flags: NV };
  if (x.kind === 'infinite') return { bits: register(x.negative ? smallest : largest), flags: NV };
  const { whole, inexact } = roundToIntegral(x.negative, x.mantissa, x.exponent, rm);
  const value = x.negative ? -whole : whole;
  if (value > largest) return { bits: register(largest), flags: NV };
  if (value < smallest) return { bits: register(smallest), flags: NV };
  return { bits: register(value), flags: inexact ? NX : 0n };
}

export function fromInteger(format: Format, name: string, x: bigint, rm: number): Outcome {
  const width = Number(name.slice(1));
  const value = name.startsWith('i') ? BigInt.asIntN(width, x) : BigInt.asUintN(width, x);
  if (value === 0n) return exact(0n);
  return round(format, value < 0n, value < 0n ? -value : value, 0, rm);
}

export function convert(from: Format, to: Format, a: bigint, rm: number): Outcome {
  const x = decode(from, a);
  if (x.kind === 'nan') return nanOf(to, [x]);
  if (x.kind === 'infinite') return exact(infinity(to, x.negative));
  if (x.mantissa === 0n) return exact(zero(to, x.negative));
  return round(to, x.negative, x.mantissa, x.exponent, rm);
}
