import { type FunctionBuilder, type I32, type I64, i32, i64, type ModuleBuilder } from '../wasm/index.ts';
import { BINARY64, DZ, LEADING } from './format.ts';
import {
  type ExactContext,
  isNotANumber,
  magnitudeOf,
  raise,
  returnInvalid,
  signBit,
  signOf,
  unpackNormalized,
} from './parts.ts';

const HIDDEN = 1n << LEADING;

/** The binary64 number in [1, 2), or in [2, 4) with `twice`, that has this significand (leading bit at 52). */
function hostNumber(significand: I64, twice = i32(0)) {
  const exponent = twice.extendU().add(BINARY64.bias).shl(LEADING);
  return significand
    .and(HIDDEN - 1n)
    .or(exponent)
    .reinterpret();
}

/**
 * The significand for rounding from a root or quotient in [1, 2) that the host rounded to nearest, and the sign of what
 * is left. The exact value lies strictly between the two midpoints around the host's (neither a quotient nor a root is
 * ever a midpoint), so one bit more or less than the host's value, far below it, stands for the rest in every mode.
 */
function withRemainder(root: I64, remainder: I64): I64 {
  return root
    .shl(62n - LEADING)
    .add(remainder.gtS(0).extendU())
    .sub(remainder.ltS(0).extendU());
}

function fractionWithHidden(bits: I64): I64 {
  return bits.and(HIDDEN - 1n).or(HIDDEN);
}

/** `divide(hart, a, b, rm)`. */
export function defineDivide(module: ModuleBuilder, context: ExactContext) {
  const { format } = context;
  const name = `exact.divide.${format.name}`;
  return module.function(name, ['i32', 'i64', 'i64', 'i32'], 'i64', (f, hart, a, b, rm) => {
    const first = f.let(magnitudeOf(format, a.get));
    const second = f.let(magnitudeOf(format, b.get));
    const sign = f.let(signBit(format, a.get.xor(b.get)));

    f.if(first.geU(format.infinity).or(second.geU(format.infinity)), () => {
      f.if(isNotANumber(format, first).or(isNotANumber(format, second)), () =>
        f.return(f.call(context.nan, hart.get, a.get, b.get)),
      );
      f.if(first.eq(second), () => returnInvalid(f, context, hart.get));
      f.if(second.eq(format.infinity), () => f.return(sign));
      f.return(sign.or(format.infinity));
    });
    f.if(second.eqz(), () => {
      f.if(first.eqz(), () => returnInvalid(f, context, hart.get));
      raise(f, context.fflagsOffset, hart.get, DZ);
      f.return(sign.or(format.infinity));
    });
    f.if(first.eqz(), () => f.return(sign));

    const x = unpackNormalized(f, format, first);
    const y = unpackNormalized(f, format, second);
    // Taken twice when smaller, the dividend gives a quotient in [1, 2).
    const twice = f.let(x.significand.ltU(y.significand));
    const quotient = f.let(quotientOf(x.significand, y.significand, twice));
    const remainder = f.let(x.significand.shl(twice.extendU().add(LEADING)).sub(quotient.mul(y.significand)));
    const exponent = x.exponent.sub(y.exponent).add(format.bias).sub(twice);
    f.result(
      f.call(context.round, hart.get, signOf(format, sign), exponent, withRemainder(quotient, remainder), rm.get),
    );
  });
}

function quotientOf(dividend: I64, divisor: I64, twice: I32): I64 {
  const quotient = hostNumber(dividend, twice).div(hostNumber(divisor));
  return fractionWithHidden(quotient.reinterpret());
}

/** `sqrt(hart, a, rm)`. */
export function defineSqrt(module: ModuleBuilder, context: ExactContext) {
  const { format } = context;
  return module.function(`exact.sqrt.${format.name}`, ['i32', 'i64', 'i32'], 'i64', (f, hart, a, rm) => {
    const magnitude = f.let(magnitudeOf(format, a.get));
    returnSpecialRoot(f, context, hart.get, a.get, magnitude);
    const x = unpackNormalized(f, format, magnitude);
    const exponent = f.let(x.exponent.sub(format.bias));
    const odd = f.let(exponent.and(1));
    const root = f.let(fractionWithHidden(hostNumber(x.significand, odd).sqrt().reinterpret()));
    const remainder = f.let(x.significand.shl(odd.extendU().add(LEADING)).sub(root.mul(root)));
    const half = exponent.shrS(1).add(format.bias);
    f.result(f.call(context.round, hart.get, i32(0), half, withRemainder(root, remainder), rm.get));
  });
}

/** NaNs, zeros (which keep their sign), negative numbers and infinity. */
function returnSpecialRoot(f: FunctionBuilder, context: ExactContext, hart: I32, a: I64, magnitude: I64): void {
  const { format } = context;
  f.if(isNotANumber(format, magnitude), () => f.return(f.call(context.nan, hart, a, i64(0))));
  f.if(magnitude.eqz(), () => f.return(a));
  f.if(signBit(format, a).ne(0), () => returnInvalid(f, context, hart));
  f.if(magnitude.eq(format.infinity), () => f.return(a));
}
