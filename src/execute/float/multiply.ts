import type { ModuleBuilder } from '../wasm/index.ts';
import { LEADING } from './format.ts';
import {
  type ExactContext,
  isNotANumber,
  magnitudeOf,
  multiplyHigh,
  returnInvalid,
  signBit,
  signOf,
  unpackNormalized,
} from './parts.ts';

/** `multiply(hart, a, b, rm)`. */
export function defineMultiply(module: ModuleBuilder, context: ExactContext) {
  const { format } = context;
  const name = `exact.multiply.${format.name}`;
  return module.function(name, ['i32', 'i64', 'i64', 'i32'], 'i64', (f, hart, a, b, rm) => {
    const first = f.let(magnitudeOf(format, a.get));
    const second = f.let(magnitudeOf(format, b.get));
    const sign = f.let(signBit(format, a.get.xor(b.get)));

    f.if(first.geU(format.infinity).or(second.geU(format.infinity)), () => {
      f.if(isNotANumber(format, first).or(isNotANumber(format, second)), () =>
        f.return(f.call(context.nan, hart.get, a.get, b.get)),
      );
      f.if(first.eqz().or(second.eqz()), () => returnInvalid(f, context, hart.get));
      f.return(sign.or(format.infinity));
    });
    f.if(first.eqz().or(second.eqz()), () => f.return(sign));

    const x = unpackNormalized(f, format, first);
    const y = unpackNormalized(f, format, second);
    const product = f.local('i64');
    const exponent = f.local('i32');
    // Of two numbers in [1, 2) the product is in [1, 4): its leading bit comes to 61 or 62.
    if (format.name === 'f32') {
      const unused = LEADING - format.fractionBits;
      f.set(
        product,
        x.significand
          .shrU(unused)
          .mul(y.significand.shrU(unused))
          .shl(62n - 47n),
      );
    } else {
      const left = f.let(x.significand.shl(62n - LEADING));
      const right = f.let(y.significand.shl(63n - LEADING));
      f.set(product, multiplyHigh(f, left, right).or(left.mul(right).ne(0).extendU()));
    }
    f.set(exponent, x.exponent.add(y.exponent).sub(format.bias - 1));
    f.if(product.get.ltU(1n << 62n), () => {
      f.set(product, product.get.shl(1));
      f.set(exponent, exponent.get.sub(1));
    });
    f.result(f.call(context.round, hart.get, signOf(format, sign), exponent.get, product.get, rm.get));
  });
}
