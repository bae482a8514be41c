import {
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  type ModuleBuilder,
  select,
} from '../wasm/index.ts';
import { BINARY32, BINARY64, LEADING, NV, NX, RMM, RNE, RUP } from './format.ts';
import { type ExactContext, isNotANumber, magnitudeOf, raise, signOf, unpackNormalized } from './parts.ts';

/** An integer format of the conversion instructions. 32-bit results are sign-extended, also unsigned ones. */
export interface IntegerFormat {
  readonly name: 'i32' | 'u32' | 'i64' | 'u64';
  readonly signed: boolean;
  readonly width: 32 | 64;
}

export const INTEGERS: readonly IntegerFormat[] = [
  { name: 'i32', signed: true, width: 32 },
  { name: 'u32', signed: false, width: 32 },
  { name: 'i64', signed: true, width: 64 },
  { name: 'u64', signed: false, width: 64 },
];

/** The largest magnitudes that fit, of a positive and of a negative number, as unsigned 64-bit numbers. */
export function limitsOf({ signed, width }: IntegerFormat): { positive: bigint; negative: bigint } {
  const range = 1n << BigInt(width);
  return signed ? { positive: range / 2n - 1n, negative: range / 2n } : { positive: range - 1n, negative: 0n };
}

function extended(integer: IntegerFormat, value: I64): I64 {
  return integer.width === 32 ? value.extend32S() : value;
}

/**
 * `toInteger(hart, a, rm)`: rounds to an integer. What does not fit, and NaN, gives the nearest limit (the largest for
 * NaN) and raises invalid, and then not inexact ("F" extension, "domains of float-to-integer conversions").
 */
export function defineToInteger(module: ModuleBuilder, context: ExactContext, integer: IntegerFormat) {
  const { format } = context;
  const limits = limitsOf(integer);
  const name = `exact.to.${integer.name}.${format.name}`;
  return module.function(name, ['i32', 'i64', 'i32'], 'i64', (f, hart, a, rm) => {
    const magnitude = f.let(magnitudeOf(format, a.get));
    f.if(magnitude.eqz(), () => f.return(i64(0)));
    const sign = f.let(signOf(format, a.get));
    const x = unpackNormalized(f, format, magnitude);
    const whole = f.local('i64');
    const fraction = f.local('i64');
    const tooLarge = f.let(x.exponent.gtS(format.bias + 63));
    f.if(tooLarge.eqz(), () => {
      split(f, x.significand.shl(63n - LEADING), f.let(i32(format.bias + 63).sub(x.exponent)), { whole, fraction });
      f.set(whole, whole.get.add(roundsUp(whole.get, fraction.get, sign, rm.get).extendU()));
    });
    const limit = select(sign, i64(limits.negative), i64(limits.positive));
    f.if(tooLarge.or(whole.get.gtU(limit)), () => {
      raise(f, context.fflagsOffset, hart.get, NV);
      const lowest = sign.and(isNotANumber(format, magnitude).eqz());
      f.return(extended(integer, select(lowest, i64(-limits.negative), i64(limits.positive))));
    });
    f.if(fraction.get.ne(0), () => raise(f, context.fflagsOffset, hart.get, NX));
    f.result(extended(integer, select(sign, i64(0).sub(whole.get), whole.get)));
  });
}

/**
 * Splits a number (leading bit at 63) that is to be shifted right into integer and fraction; the fraction keeps a
 * sticky bit.
 */
function split(
  f: FunctionBuilder,
  significand: I64,
  distance: I32,
  parts: { whole: Local<'i64'>; fraction: Local<'i64'> },
): void {
  f.if(
    distance.ltU(64),
    () => {
      const count = f.let(distance.extendU());
      f.set(parts.whole, significand.shrU(count));
      // By 64 - count in two steps, because a shift by 64 is one by 0.
      f.set(parts.fraction, significand.shl(1).shl(i64(63).sub(count)));
    },
    () => f.set(parts.fraction, select(distance.eq(64), significand, i64(1))),
  );
}

/** Whether an integer and a fraction (of 2^64) round to the next larger magnitude. */
function roundsUp(whole: I64, fraction: I64, sign: I32, rm: I32): I32 {
  const half = -(1n << 63n);
  const tieAtEven = fraction.eq(half).and(whole.wrap().and(1).eqz());
  const nearestEven = rm.eq(RNE).and(fraction.ltS(0)).and(tieAtEven.eqz());
  const nearestAway = rm.eq(RMM).and(fraction.ltS(0));
  const directed = rm.eq(i32(RUP).sub(sign)).and(fraction.ne(0));
  return nearestEven.or(nearestAway).or(directed);
}

/** `fromInteger(hart, x, rm)`: x is a 64-bit register; 32-bit formats take its lower half. */
export function defineFromInteger(module: ModuleBuilder, context: ExactContext, integer: IntegerFormat) {
  const { format } = context;
  const name = `exact.from.${integer.name}.${format.name}`;
  return module.function(name, ['i32', 'i64', 'i32'], 'i64', (f, hart, x, rm) => {
    const value = f.let(registerAs(integer, x.get));
    f.if(value.eqz(), () => f.return(i64(0)));
    const negative = f.let(integer.signed ? value.ltS(0) : i32(0));
    const magnitude = f.let(select(negative, i64(0).sub(value), value));
    const zeros = f.let(magnitude.clz());
    const leadingAt63 = f.let(magnitude.shl(zeros));
    const significand = leadingAt63.shrU(1).or(leadingAt63.and(1));
    const exponent = i32(format.bias + 63).sub(zeros.wrap());
    f.result(f.call(context.round, hart.get, negative, exponent, significand, rm.get));
  });
}

/** What an integer format sees of a 64-bit register. */
export function registerAs({ signed, width }: IntegerFormat, x: I64): I64 {
  if (width === 64) return x;
  return signed ? x.extend32S() : x.and(0xffffffffn);
}

/** Converts a NaN, an infinity or a zero and returns. */
function returnSpecial(
  f: FunctionBuilder,
  from: ExactContext,
  to: ExactContext,
  hart: I32,
  a: I64,
  magnitude: I64,
): I32 {
  const sign = f.let(signOf(from.format, a));
  const placed = sign.extendU().shl(to.format.signPlace);
  f.if(isNotANumber(from.format, magnitude), () => {
    f.drop(f.call(from.nan, hart, a, i64(0)));
    f.return(i64(to.format.canonicalNaN));
  });
  f.if(magnitude.eq(from.format.infinity), () => f.return(placed.or(to.format.infinity)));
  f.if(magnitude.eqz(), () => f.return(placed));
  return sign;
}

/** `narrow(hart, a, rm)`: binary64 to binary32. */
export function defineNarrow(module: ModuleBuilder, from: ExactContext, to: ExactContext) {
  return module.function('exact.narrow', ['i32', 'i64', 'i32'], 'i64', (f, hart, a, rm) => {
    const magnitude = f.let(magnitudeOf(BINARY64, a.get));
    const sign = returnSpecial(f, from, to, hart.get, a.get, magnitude);
    const x = unpackNormalized(f, BINARY64, magnitude);
    const exponent = x.exponent.add(BINARY32.bias - BINARY64.bias);
    f.result(f.call(to.round, hart.get, sign, exponent, x.significand.shl(62n - LEADING), rm.get));
  });
}

/** `widen(hart, a)`: binary32 to binary64, always exact. */
export function defineWiden(module: ModuleBuilder, from: ExactContext, to: ExactContext) {
  return module.function('exact.widen', ['i32', 'i64'], 'i64', (f, hart, a) => {
    const magnitude = f.let(magnitudeOf(BINARY32, a.get));
    const sign = returnSpecial(f, from, to, hart.get, a.get, magnitude);
    const x = unpackNormalized(f, BINARY32, magnitude);
    const field = x.exponent
      .add(BINARY64.bias - BINARY32.bias - 1)
      .extendU()
      .shl(LEADING);
    f.result(sign.extendU().shl(63).or(field.add(x.significand)));
  });
}
