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
import { LEADING, NV } from './format.ts';
import {
  type ExactContext,
  isNotANumber,
  magnitudeOf,
  multiplyHigh,
  raise,
  returnInvalid,
  signBit,
  signOf,
  type Unpacked,
  unpackNormalized,
  zeroOfCancellation,
} from './parts.ts';
import { anySignaling } from './round.ts';

/** A 128-bit variable as two halves. */
interface Wide {
  readonly high: Local<'i64'>;
  readonly low: Local<'i64'>;
}

function wide(f: FunctionBuilder): Wide {
  return { high: f.local('i64'), low: f.local('i64') };
}

interface Operands {
  readonly hart: I32;
  readonly a: I64;
  readonly b: I64;
  readonly c: I64;
  readonly rm: I32;
}

/**
 * `fma(hart, a, b, c, rm)`: a * b + c, rounded once. The product is exact in 128 bits, its leading bit at 124 or 125;
 * the addend's is at 124. Whichever has the smaller exponent is shifted right; at least 20 bits below each are zero, so
 * what falls out and is kept as one sticky bit lies far below the rounding position, even after a cancellation.
 */
export function defineFma(module: ModuleBuilder, context: ExactContext) {
  const { format } = context;
  const parameters = ['i32', 'i64', 'i64', 'i64', 'i32'] as const;
  return module.function(`exact.fma.${format.name}`, parameters, 'i64', (f, hart, a, b, c, rm) => {
    const operands = { hart: hart.get, a: a.get, b: b.get, c: c.get, rm: rm.get };
    const first = f.let(magnitudeOf(format, a.get));
    const second = f.let(magnitudeOf(format, b.get));
    const third = f.let(magnitudeOf(format, c.get));
    const productSign = f.let(signBit(format, a.get.xor(b.get)));
    returnSpecial(f, context, operands, [first, second, third], productSign);

    const sign = f.local('i32');
    const exponent = f.local('i32');
    const sum = wide(f);
    f.set(sign, signOf(format, productSign));
    const x = unpackNormalized(f, format, first);
    const y = unpackNormalized(f, format, second);
    setProduct(f, sum, x, y);
    f.set(exponent, x.exponent.add(y.exponent).sub(format.bias));
    f.if(third.ne(0), () => addAddend(f, context, operands, third, { sign, exponent, sum }));
    const significand = normalize(f, sum, exponent);
    f.result(f.call(context.round, hart.get, sign.get, exponent.get, significand, rm.get));
  });
}

/** NaNs, infinities, and products that are zero. */
function returnSpecial(
  f: FunctionBuilder,
  context: ExactContext,
  { hart, a, b, c, rm }: Operands,
  [first, second, third]: readonly [I64, I64, I64],
  productSign: I64,
): void {
  const { format } = context;
  const { infinity } = format;
  const productZero = f.let(first.eqz().or(second.eqz()));
  f.if(first.geU(infinity).or(second.geU(infinity)).or(third.geU(infinity)), () => {
    const productInfinite = f.let(first.eq(infinity).or(second.eq(infinity)));
    f.if(isNotANumber(format, first).or(isNotANumber(format, second)).or(isNotANumber(format, third)), () => {
      // Infinity times zero is invalid even when the addend is a quiet NaN ("F" extension, fused multiply-add).
      f.if(anySignaling(f, format, [a, b, c]).or(productInfinite.and(productZero)), () =>
        raise(f, context.fflagsOffset, hart, NV),
      );
      f.return(i64(format.canonicalNaN));
    });
    f.if(productInfinite, () => {
      const opposite = signBit(format, c).ne(productSign);
      f.if(productZero.or(third.eq(infinity).and(opposite)), () => returnInvalid(f, context, hart));
      f.return(productSign.or(infinity));
    });
    f.return(c);
  });
  f.if(productZero, () => {
    f.if(third.eqz().and(signBit(format, c).ne(productSign)), () => f.return(zeroOfCancellation(format, rm)));
    f.return(c);
  });
}

/** Of numbers in [1, 2), leading bits at 62: the product's leading bit is at 124 or 125. */
function setProduct(f: FunctionBuilder, product: Wide, x: Unpacked, y: Unpacked): void {
  const left = f.let(x.significand.shl(62n - LEADING));
  const right = f.let(y.significand.shl(62n - LEADING));
  f.set(product.high, multiplyHigh(f, left, right));
  f.set(product.low, left.mul(right));
}

interface Sum {
  readonly sign: Local<'i32'>;
  readonly exponent: Local<'i32'>;
  readonly sum: Wide;
}

/** Adds an addend that is not zero. Returns from the function when they cancel. */
function addAddend(f: FunctionBuilder, context: ExactContext, { c, rm }: Operands, third: I64, into: Sum): void {
  const { format } = context;
  const { sign, exponent, sum } = into;
  const z = unpackNormalized(f, format, third);
  const addend = wide(f);
  f.set(addend.high, z.significand.shl(60n - LEADING));
  const distance = f.let(exponent.get.sub(z.exponent));
  f.if(
    distance.geS(0),
    () => shiftWideRightJam(f, addend, distance),
    () => {
      shiftWideRightJam(f, sum, f.let(i32(0).sub(distance)));
      f.set(exponent, z.exponent);
    },
  );
  f.if(
    sign.get.eq(signOf(format, c)),
    () => addWide(f, sum, addend),
    () => {
      subtractWide(f, sum, addend, sign);
      f.if(sum.high.get.or(sum.low.get).eqz(), () => f.return(zeroOfCancellation(format, rm)));
    },
  );
}

/** Shifts right by any distance, and keeps in bit 0 whether a one was lost. The value is below 2^127. */
function shiftWideRightJam(f: FunctionBuilder, { high, low }: Wide, distance: I32): void {
  const below = (count: I64) => i64(1).shl(count).sub(1);
  f.if(
    distance.ltU(64),
    () => {
      const count = f.let(distance.extendU());
      const lost = f.let(low.get.and(below(count)).ne(0));
      // By 64 - count in two steps, because a shift by 64 is one by 0.
      const moved = high.get.shl(1).shl(i32(63).sub(distance).extendU());
      f.set(low, low.get.shrU(count).or(moved).or(lost.extendU()));
      f.set(high, high.get.shrU(count));
    },
    () => {
      const count = f.let(select(distance.ltU(64 + 63), distance.sub(64), i32(63)).extendU());
      const lost = f.let(low.get.or(high.get.and(below(count))).ne(0));
      f.set(low, high.get.shrU(count).or(lost.extendU()));
      f.set(high, i64(0));
    },
  );
}

function addWide(f: FunctionBuilder, sum: Wide, addend: Wide): void {
  f.set(sum.low, sum.low.get.add(addend.low.get));
  const carry = sum.low.get.ltU(addend.low.get).extendU();
  f.set(sum.high, sum.high.get.add(addend.high.get).add(carry));
}

/** Subtracts, and turns the sign when the result would be negative. */
function subtractWide(f: FunctionBuilder, sum: Wide, addend: Wide, sign: Local<'i32'>): void {
  const borrow = sum.low.get.ltU(addend.low.get).extendU();
  f.set(sum.high, sum.high.get.sub(addend.high.get).sub(borrow));
  f.set(sum.low, sum.low.get.sub(addend.low.get));
  f.if(sum.high.get.ltS(0), () => {
    f.set(sign, sign.get.xor(1));
    f.set(sum.high, sum.high.get.not().add(sum.low.get.eqz().extendU()));
    f.set(sum.low, i64(0).sub(sum.low.get));
  });
}

/**
 * Takes the upper 64 bits with the leading bit at 62, the rest jammed into bit 0. On entry `exponent` is that of bit
 * 124, on return that of the leading bit.
 */
function normalize(f: FunctionBuilder, { high, low }: Wide, exponent: Local<'i32'>): I64 {
  f.if(high.get.eqz(), () => {
    // Only a cancellation leads here, and then nothing was lost before: moving by 62 keeps the leading bit below 63.
    f.set(high, low.get.shrU(2));
    f.set(low, low.get.shl(62));
    f.set(exponent, exponent.get.sub(62));
  });
  f.if(high.get.eqz(), () => {
    f.set(high, low.get.shrU(2));
    f.set(low, i64(0));
    f.set(exponent, exponent.get.sub(62));
  });
  const shift = f.let(high.get.clz().sub(1));
  f.set(exponent, exponent.get.add(2).sub(shift.wrap()));
  const moved = low.get.shrU(1).shrU(i64(63).sub(shift));
  const lost = low.get.shl(shift).ne(0).extendU();
  return f.let(high.get.shl(shift).or(moved).or(lost));
}
