import { type F64, type FunctionBuilder, f64, i64, type Local, select, type Value } from '../wasm/index.ts';
import type { HostNumber } from './host.ts';

/**
 * Error-free transformations: what a rounded sum or product of the host (to nearest even) lacks, itself a number. See
 * Muller et al., "Handbook of Floating-Point Arithmetic", chapter 4.
 */

/** a + b - sum, exactly, where `sum` is their rounded sum and nothing overflows (Knuth). */
export function twoSum<V extends HostNumber<V, B>, B extends Value>(f: FunctionBuilder, a: V, b: V, sum: V): V {
  const part = f.let(sum.sub(a));
  const rest = sum.sub(part);
  const errorOfB = b.sub(part);
  return a.sub(rest).add(errorOfB);
}

/** 2^27 + 1 splits 53 bits into two halves of which all products are exact (Veltkamp). */
const SPLITTER = 2 ** 27 + 1;

function split(f: FunctionBuilder, x: F64): { high: F64; low: F64 } {
  const scaled = f.let(x.mul(f64(SPLITTER)));
  const high = f.let(scaled.sub(scaled.sub(x)));
  return { high, low: f.let(x.sub(high)) };
}

/** a * b - product, exactly, where `product` is their rounded product and nothing over- or underflows (Dekker). */
export function twoProduct(f: FunctionBuilder, a: F64, b: F64, product: F64): F64 {
  const x = split(f, a);
  const y = split(f, b);
  const first = x.high.mul(y.high).sub(product);
  return first.add(x.high.mul(y.low)).add(x.low.mul(y.high)).add(x.low.mul(y.low));
}

/** Turns a rounded sum into the sum rounded to odd: when it has an error, the neighbour with an odd significand. */
export function roundToOdd(f: FunctionBuilder, sum: Local<'f64'>, error: F64): void {
  f.if(error.ne(f64(0)), () => {
    const bits = f.let(sum.get.reinterpret());
    const inwards = bits.xor(error.reinterpret()).ltS(0);
    const next = bits.add(select(inwards, i64(-1), i64(1)));
    f.set(sum, select(bits.wrap().and(1), bits, next).reinterpret());
  });
}
