import { type Callable, type FunctionBuilder, type I32, type I64, i32, i64, select } from '../wasm/index.ts';
import { type FloatFormat, LEADING, NV, RDN } from './format.ts';

/** Where a hart's flags lie, and what the exact operations of one format call. */
export interface ExactContext {
  readonly format: FloatFormat;
  readonly fflagsOffset: number;
  /** round.ts */
  readonly round: Callable & { readonly result: 'i64' };
  /** `defineNaN` */
  readonly nan: Callable & { readonly result: 'i64' };
}

export function raise(f: FunctionBuilder, fflagsOffset: number, hart: I32, flags: I32 | number): void {
  f.store(hart, hart.load(fflagsOffset).or(flags), fflagsOffset);
}

/** Raises the invalid flag and returns the canonical NaN. */
export function returnInvalid(f: FunctionBuilder, context: ExactContext, hart: I32): void {
  raise(f, context.fflagsOffset, hart, NV);
  f.return(i64(context.format.canonicalNaN));
}

/** The bit pattern without its sign. */
export function magnitudeOf(format: FloatFormat, bits: I64): I64 {
  return bits.and(format.sign - 1n);
}

export function isNotANumber(format: FloatFormat, magnitude: I64): I32 {
  return magnitude.gtU(format.infinity);
}

export function isSignaling(format: FloatFormat, magnitude: I64): I32 {
  return isNotANumber(format, magnitude).and(magnitude.and(format.quietBit).eqz());
}

/** The sign at its place in the bit pattern. */
export function signBit(format: FloatFormat, bits: I64): I64 {
  return bits.and(format.sign);
}

/** The sign as 0 or 1. */
export function signOf(format: FloatFormat, bits: I64): I32 {
  return bits.shrU(format.signPlace).wrap();
}

/** A significand and the exponent of its leading bit, biased as in the format but free to be 0 or negative. */
export interface Unpacked {
  readonly exponent: I32;
  readonly significand: I64;
}

/** Exponent and significand, leading bit at 52, of a finite number that is not zero. */
export function unpackNormalized(f: FunctionBuilder, format: FloatFormat, magnitude: I64): Unpacked {
  const exponent = f.temporary('i32');
  const significand = f.temporary('i64');
  f.set(exponent, magnitude.shrU(format.fractionBits).wrap());
  f.set(significand, fractionOf(format, magnitude));
  f.if(
    exponent.get.eqz(),
    () => {
      const shift = f.let(significand.get.clz().sub(63n - LEADING));
      f.set(significand, significand.get.shl(shift));
      f.set(exponent, i64(1).sub(shift).wrap());
    },
    () => f.set(significand, significand.get.or(1n << LEADING)),
  );
  return { exponent: exponent.get, significand: significand.get };
}

/** The fraction field, moved so that the bit above it is at 52. */
export function fractionOf(format: FloatFormat, magnitude: I64): I64 {
  return magnitude.and((1n << format.fractionBits) - 1n).shl(LEADING - format.fractionBits);
}

/**
 * Shifts right and keeps, in bit 0, whether any one was lost ("jamming"). The value is below 2^63, so that a distance
 * of 63 stands for all larger ones.
 */
export function shiftRightJam(f: FunctionBuilder, value: I64, distance: I32): I64 {
  const bounded = f.let(select(distance.ltU(63), distance, i32(63)).extendU());
  const lost = value.and(i64(1).shl(bounded).sub(1)).ne(0);
  return value.shrU(bounded).or(lost.extendU());
}

/** The upper 64 bits of a product of unsigned numbers, by 32-bit halves. */
export function multiplyHigh(f: FunctionBuilder, a: I64, b: I64): I64 {
  const low = 0xffffffffn;
  const aLow = f.let(a.and(low));
  const aHigh = f.let(a.shrU(32));
  const bLow = f.let(b.and(low));
  const bHigh = f.let(b.shrU(32));
  const first = f.let(aHigh.mul(bLow).add(aLow.mul(bLow).shrU(32)));
  const second = aLow.mul(bHigh).add(first.and(low));
  return aHigh.mul(bHigh).add(first.shrU(32)).add(second.shrU(32));
}

/** An exact zero of a sum of opposite signs (IEEE 754 6.3): negative only when rounding down. */
export function zeroOfCancellation(format: FloatFormat, rm: I32): I64 {
  return select(rm.eq(RDN), i64(format.sign), i64(0));
}
