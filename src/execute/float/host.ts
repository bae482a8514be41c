import { type F32, type F64, type FunctionBuilder, f32, f64, type I32, type I64, type Value } from '../wasm/index.ts';
import { BINARY32, BINARY64, type FloatFormat, LEADING } from './format.ts';

/** What binary32 and binary64 values of the host have in common, so that fast paths are written once. */
export interface HostNumber<V extends Value, B extends Value> extends Value {
  add(other: V): V;
  sub(other: V): V;
  mul(other: V): V;
  div(other: V): V;
  min(other: V): V;
  max(other: V): V;
  sqrt(): V;
  abs(): V;
  neg(): V;
  ceil(): V;
  floor(): V;
  trunc(): V;
  nearest(): V;
  eq(other: V): I32;
  ne(other: V): I32;
  lt(other: V): I32;
  gt(other: V): I32;
  le(other: V): I32;
  ge(other: V): I32;
  truncToI64S(): I64;
  truncToI64U(): I64;
  reinterpret(): B;
}

/** Values of one format on the host, and tests whether a rounded result of normal size is the exact one. */
export interface Host<V extends HostNumber<V, B>, B extends Value> {
  readonly format: FloatFormat;
  readonly smallestNormal: number;
  /** Integers up to this size are representable. */
  readonly exactIntegers: number;
  number(bits: B): V;
  constant(value: number): V;
  fromSigned(x: I64): V;
  fromUnsigned(x: I64): V;
  exactProduct(f: FunctionBuilder, a: V, b: V, product: V): I32;
  exactQuotient(f: FunctionBuilder, a: V, b: V, quotient: V): I32;
  exactRoot(f: FunctionBuilder, a: V, root: V): I32;
}

/** For binary32 the host's binary64 product is exact, and so are the tests. */
export const HOST32: Host<F32, I32> = {
  format: BINARY32,
  smallestNormal: 2 ** -126,
  exactIntegers: 2 ** 24,
  number: (bits) => bits.reinterpret(),
  constant: f32,
  fromSigned: (x) => x.toF32S(),
  fromUnsigned: (x) => x.toF32U(),
  exactProduct: (_f, a, b, product) => a.promote().mul(b.promote()).eq(product.promote()),
  exactQuotient: (_f, a, b, quotient) => quotient.promote().mul(b.promote()).eq(a.promote()),
  exactRoot: (_f, a, root) => root.promote().mul(root.promote()).eq(a.promote()),
};

const HIDDEN = 1n << LEADING;

function significandOf(value: F64): I64 {
  return value
    .reinterpret()
    .and(HIDDEN - 1n)
    .or(HIDDEN);
}

function exponentOf(value: F64): I64 {
  return value.reinterpret().shrU(LEADING).and(BINARY64.maximumExponent);
}

/**
 * For binary64 the tests look at the low 64 bits of the product of two significands, which is all that a remainder that
 * is known to be small can differ in.
 */
export const HOST64: Host<F64, I64> = {
  format: BINARY64,
  smallestNormal: 2 ** -1022,
  exactIntegers: 2 ** 53,
  number: (bits) => bits.reinterpret(),
  constant: f64,
  fromSigned: (x) => x.toF64S(),
  fromUnsigned: (x) => x.toF64U(),
  /** A product of 106 bits is exact when its low 53 are zero, one of 105 bits when 52 are. */
  exactProduct(f, a, b, product) {
    const low = f.let(significandOf(a).mul(significandOf(b)));
    const short = exponentOf(product).eq(exponentOf(a).add(exponentOf(b)).sub(BINARY64.bias));
    return low.shl(11).eqz().or(low.shl(12).eqz().and(short));
  },
  exactQuotient(f, a, b, quotient) {
    const dividend = f.let(significandOf(a));
    const divisor = f.let(significandOf(b));
    const distance = dividend.ltU(divisor).extendU().add(LEADING);
    const normal = f64(HOST64.smallestNormal);
    const exact = significandOf(quotient).mul(divisor).eq(dividend.shl(distance));
    return exact.and(a.abs().ge(normal)).and(b.abs().ge(normal));
  },
  exactRoot(f, a, root) {
    const significand = f.let(significandOf(root));
    const odd = exponentOf(a).and(1).xor(1);
    const exact = significand.mul(significand).eq(significandOf(a).shl(odd.add(LEADING)));
    return exact.and(a.abs().ge(f64(HOST64.smallestNormal)));
  },
};
