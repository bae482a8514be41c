import { i32, type ModuleBuilder, select } from '../wasm/index.ts';
import { LEADING } from './format.ts';
import {
  type ExactContext,
  fractionOf,
  isNotANumber,
  magnitudeOf,
  returnInvalid,
  shiftRightJam,
  signBit,
  signOf,
  zeroOfCancellation,
} from './parts.ts';

/** Room for the carry of a sum: the leading bit at 61, where rounding takes it at 62. */
const ADD_LEADING = 61n;

/** `add(hart, a, b, rm)`. A difference is the sum with the second sign turned. */
export function defineAdd(module: ModuleBuilder, context: ExactContext) {
  const { format } = context;
  const { infinity, fractionBits } = format;
  const name = `exact.add.${format.name}`;
  return module.function(name, ['i32', 'i64', 'i64', 'i32'], 'i64', (f, hart, a, b, rm) => {
    const first = f.local('i64');
    const second = f.local('i64');
    const swap = f.local('i64');
    f.set(first, magnitudeOf(format, a.get));
    f.set(second, magnitudeOf(format, b.get));
    f.if(first.get.ltU(second.get), () => {
      f.set(swap, a.get);
      f.set(a, b.get);
      f.set(b, swap.get);
      f.set(swap, first.get);
      f.set(first, second.get);
      f.set(second, swap.get);
    });
    const opposite = f.let(signBit(format, a.get.xor(b.get)).ne(0));

    f.if(first.get.geU(infinity), () => {
      f.if(isNotANumber(format, first.get), () => f.return(f.call(context.nan, hart.get, a.get, b.get)));
      f.if(second.get.eq(infinity).and(opposite), () => returnInvalid(f, context, hart.get));
      f.return(a.get);
    });

    const aligned = (magnitude: typeof first.get) => {
      const field = f.let(magnitude.shrU(fractionBits).wrap());
      const normal = f.let(field.ne(0));
      const significand = fractionOf(format, magnitude).or(normal.extendU().shl(LEADING));
      return { exponent: field.add(normal.eqz()), significand: significand.shl(ADD_LEADING - LEADING) };
    };
    const large = aligned(first.get);
    const small = aligned(second.get);
    const exponent = f.let(large.exponent);
    const shifted = f.let(shiftRightJam(f, f.let(small.significand), f.let(exponent.sub(small.exponent))));
    const whole = f.let(large.significand);
    const sum = f.let(select(opposite, whole.sub(shifted), whole.add(shifted)));
    f.if(sum.eqz(), () => f.return(select(opposite, zeroOfCancellation(format, rm.get), a.get)));
    const shift = f.let(sum.clz().sub(1));
    const place = exponent.add(i32(62 - Number(ADD_LEADING))).sub(shift.wrap());
    f.result(f.call(context.round, hart.get, signOf(format, a.get), place, sum.shl(shift), rm.get));
  });
}
