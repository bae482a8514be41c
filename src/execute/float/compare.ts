import { type FunctionBuilder, type I32, type I64, i64, type ModuleBuilder, select } from '../wasm/index.ts';
import { NV } from './format.ts';
import { type ExactContext, isNotANumber, isSignaling, magnitudeOf, raise, signBit } from './parts.ts';
import { anySignaling } from './round.ts';

type Order = 'eq' | 'lt' | 'le';

/**
 * Sign-and-magnitude numbers as signed integers that are ordered alike; both zeros are 0. For binary32 the sign is
 * moved to bit 63 first.
 */
function orderKey(f: FunctionBuilder, context: ExactContext, bits: I64): I64 {
  const magnitude = magnitudeOf(context.format, bits);
  const negative = f.let(i64(0).sub(bits.shrU(context.format.signPlace)));
  return f.let(magnitude.xor(negative).sub(negative));
}

/** `eq|lt|le(hart, a, b)`: 0 or 1. `eq` is quiet, `lt` and `le` are signaling (IEEE 754 5.11). */
export function defineOrder(module: ModuleBuilder, context: ExactContext, order: Order) {
  const { format } = context;
  return module.function(`exact.${order}.${format.name}`, ['i32', 'i64', 'i64'], 'i64', (f, hart, a, b) => {
    const unordered = isNotANumber(format, magnitudeOf(format, a.get)).or(
      isNotANumber(format, magnitudeOf(format, b.get)),
    );
    f.if(unordered, () => {
      const raises = () => raise(f, context.fflagsOffset, hart.get, NV);
      if (order === 'eq') f.if(anySignaling(f, format, [a.get, b.get]), raises);
      else raises();
      f.return(i64(0));
    });
    const left = orderKey(f, context, a.get);
    const right = orderKey(f, context, b.get);
    const holds = { eq: left.eq(right), lt: left.ltS(right), le: left.leS(right) }[order];
    f.result(holds.extendU());
  });
}

/**
 * `min|max(hart, a, b)`: minimumNumber and maximumNumber of IEEE 754-2019, as the F extension has them since version
 * 2.2. A number wins over a NaN, -0 is less than +0.
 */
export function defineExtreme(module: ModuleBuilder, context: ExactContext, which: 'min' | 'max') {
  const { format } = context;
  return module.function(`exact.${which}.${format.name}`, ['i32', 'i64', 'i64'], 'i64', (f, hart, a, b) => {
    f.if(anySignaling(f, format, [a.get, b.get]), () => raise(f, context.fflagsOffset, hart.get, NV));
    f.if(isNotANumber(format, magnitudeOf(format, a.get)), () => {
      f.if(isNotANumber(format, magnitudeOf(format, b.get)), () => f.return(i64(format.canonicalNaN)));
      f.return(b.get);
    });
    f.if(isNotANumber(format, magnitudeOf(format, b.get)), () => f.return(a.get));
    const left = orderKey(f, context, a.get);
    const right = orderKey(f, context, b.get);
    // Equal keys mean equal patterns or two zeros; then the sign decides.
    const negative = signBit(format, a.get).ne(0);
    const less = f.let(left.ltS(right).or(left.eq(right).and(negative)));
    f.result(which === 'min' ? select(less, a.get, b.get) : select(less, b.get, a.get));
  });
}

/** The bits that `fclass` can set ("F" extension, "Floating-Point Classify Instruction"). */
const CLASS = {
  negativeInfinity: 1 << 0,
  negativeNormal: 1 << 1,
  negativeSubnormal: 1 << 2,
  negativeZero: 1 << 3,
  positiveZero: 1 << 4,
  positiveSubnormal: 1 << 5,
  positiveNormal: 1 << 6,
  positiveInfinity: 1 << 7,
  signalingNaN: 1 << 8,
  quietNaN: 1 << 9,
};

/** `classify(a)`: one bit of ten; raises nothing. */
export function defineClassify(module: ModuleBuilder, context: ExactContext) {
  const { format } = context;
  return module.function(`exact.classify.${format.name}`, ['i64'], 'i64', (f, a) => {
    const magnitude = f.let(magnitudeOf(format, a.get));
    f.if(isNotANumber(format, magnitude), () =>
      f.return(select(isSignaling(format, magnitude), i64(CLASS.signalingNaN), i64(CLASS.quietNaN))),
    );
    const negative = f.let(signBit(format, a.get).ne(0));
    const either = (whenNegative: number, whenPositive: number) =>
      f.return(select(negative, i64(whenNegative), i64(whenPositive)));
    const when = (condition: I32, whenNegative: number, whenPositive: number) =>
      f.if(condition, () => either(whenNegative, whenPositive));
    when(magnitude.eqz(), CLASS.negativeZero, CLASS.positiveZero);
    when(magnitude.ltU(1n << format.fractionBits), CLASS.negativeSubnormal, CLASS.positiveSubnormal);
    when(magnitude.eq(format.infinity), CLASS.negativeInfinity, CLASS.positiveInfinity);
    f.result(select(negative, i64(CLASS.negativeNormal), i64(CLASS.positiveNormal)));
  });
}
