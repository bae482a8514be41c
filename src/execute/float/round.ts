import { type FunctionBuilder, type I32, type I64, i32, i64, type ModuleBuilder, select } from '../wasm/index.ts';
import { type FloatFormat, NV, NX, OF, RNE, RUP, UF } from './format.ts';
import { isSignaling, magnitudeOf, raise, shiftRightJam } from './parts.ts';

/**
 * `round(hart, sign, exponent, significand, rm)`: rounds (-1)^sign * significand to the format, raises the flags that
 * follow from it, and packs the result (IEEE 754-2008 4.3, 7.4 to 7.6). The significand's leading bit is at 62, its bit
 * 0 also stands for everything below; `exponent` is that of the leading bit, biased, of any size. Tininess is detected
 * after rounding, as the RISC-V specification demands.
 */
export function defineRound(module: ModuleBuilder, format: FloatFormat, fflagsOffset: number) {
  const { fractionBits, maximumExponent } = format;
  const extraBits = 62n - fractionBits;
  const extraMask = (1n << extraBits) - 1n;
  const half = 1n << (extraBits - 1n);
  const parameters = ['i32', 'i32', 'i32', 'i64', 'i32'] as const;
  return module.function(`round.${format.name}`, parameters, 'i64', (f, hart, sign, exponent, significand, rm) => {
    // The two modes to nearest are 0 and 4; RDN (2) and RUP (3) move away from zero when that is their direction.
    const away = rm.get.eq(i32(RUP).sub(sign.get));
    const increment = f.let(select(rm.get.and(3).eqz(), i64(half), select(away, i64(extraMask), i64(0))));
    const tiny = f.local('i32');
    const carries = significand.get.add(increment).ltS(0);
    const signPlace = sign.get.extendU().shl(format.signPlace);

    f.if(exponent.get.sub(1).geU(maximumExponent - 2), () => {
      f.if(
        exponent.get.ltS(1),
        () => {
          f.set(tiny, exponent.get.ltS(0).or(carries.eqz()));
          f.set(significand, shiftRightJam(f, significand.get, i32(1).sub(exponent.get)));
          f.set(exponent, i32(1));
        },
        () =>
          f.if(exponent.get.geS(maximumExponent).or(carries), () => {
            raise(f, fflagsOffset, hart.get, OF | NX);
            f.return(signPlace.or(i64(format.infinity).sub(increment.eqz().extendU())));
          }),
      );
    });

    const lost = f.let(significand.get.and(extraMask));
    f.if(lost.ne(0), () => raise(f, fflagsOffset, hart.get, select(tiny.get, i32(NX | UF), i32(NX))));
    const tie = lost.eq(half).and(rm.get.eq(RNE));
    const rounded = significand.get.add(increment).shrU(extraBits).and(tie.extendU().not());
    // A leading bit adds one to the exponent field; a subnormal has none.
    f.result(signPlace.or(exponent.get.sub(1).extendU().shl(fractionBits).add(rounded)));
  });
}

/** `nan(hart, a, b)`: the result of an operation on numbers of which one is a NaN; a signaling one raises invalid. */
export function defineNaN(module: ModuleBuilder, format: FloatFormat, fflagsOffset: number) {
  return module.function(`nan.${format.name}`, ['i32', 'i64', 'i64'], 'i64', (f, hart, a, b) => {
    const signaling = anySignaling(f, format, [a.get, b.get]);
    f.if(signaling, () => raise(f, fflagsOffset, hart.get, NV));
    f.result(i64(format.canonicalNaN));
  });
}

/** Whether one of the operands is a signaling NaN. */
export function anySignaling(f: FunctionBuilder, format: FloatFormat, operands: readonly I64[]): I32 {
  return operands
    .map((bits) => isSignaling(format, f.let(magnitudeOf(format, bits))))
    .reduce((some, next) => some.or(next));
}
