import {
  choose,
  type F32,
  type F64,
  type FunctionBuilder,
  f64,
  type I32,
  type I64,
  select,
  type Value,
} from '../wasm/index.ts';
import { type IntegerFormat, registerAs } from './convert.ts';
import { NX, RDN, RMM, RTZ } from './format.ts';
import { HOST32, HOST64, type Host, type HostNumber } from './host.ts';
import { raise } from './parts.ts';
import { roundToOdd, twoProduct, twoSum } from './transform.ts';

/**
 * Fast paths: the host's own operation, where its answer is known to be the guest's, flags included. The mode is to
 * nearest even, which is the host's, and either inexact is raised already and nothing else can be, or the result is
 * seen to be exact. Each function below writes code that hands a result to `give` in those cases and falls through in
 * all others. `give` must leave that place. No NaN that the host made is ever handed over: its bits are not determined.
 */
export interface Circumstances {
  readonly fflagsOffset: number;
  readonly hart: I32;
  readonly rm: I32;
}

type Give<B extends Value> = (bits: B) => void;

/** Whether an inexact result changes no flag. */
function inexactIsRaised({ fflagsOffset, hart }: Circumstances): I32 {
  return hart.load(fflagsOffset).and(NX);
}

/**
 * Neither too large nor so small that an inexact one could underflow. (The smallest normal may have been rounded up
 * to.)
 */
function isOrdinary<V extends HostNumber<V, B>, B extends Value>(host: Host<V, B>, value: V): I32 {
  const size = value.abs();
  return size.gt(host.constant(host.smallestNormal)).and(size.lt(host.constant(Number.POSITIVE_INFINITY)));
}

/** A sum underflows only when exact, so that being finite is enough. */
export function fastAdd<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  host: Host<V, B>,
  circumstances: Circumstances,
  a: V,
  b: V,
  give: Give<B>,
): void {
  f.if(circumstances.rm.eqz(), () => {
    const [x, y] = [f.let(a), f.let(b)];
    const sum = f.let(x.add(y));
    f.if(sum.abs().lt(host.constant(Number.POSITIVE_INFINITY)), () => {
      f.if(inexactIsRaised(circumstances), () => give(sum.reinterpret()));
      f.if(twoSum(f, x, y, sum).eq(host.constant(0)), () => give(sum.reinterpret()));
    });
  });
}

export function fastMultiply<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  host: Host<V, B>,
  circumstances: Circumstances,
  a: V,
  b: V,
  give: Give<B>,
): void {
  f.if(circumstances.rm.eqz(), () => {
    const [x, y] = [f.let(a), f.let(b)];
    const product = f.let(x.mul(y));
    f.if(
      isOrdinary(host, product),
      () => {
        f.if(inexactIsRaised(circumstances), () => give(product.reinterpret()));
        f.if(host.exactProduct(f, x, y, product), () => give(product.reinterpret()));
      },
      () => {
        const zero = host.constant(0);
        f.if(product.eq(zero).and(x.eq(zero).or(y.eq(zero))), () => give(product.reinterpret()));
      },
    );
  });
}

export function fastDivide<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  host: Host<V, B>,
  circumstances: Circumstances,
  a: V,
  b: V,
  give: Give<B>,
): void {
  f.if(circumstances.rm.eqz(), () => {
    const [x, y] = [f.let(a), f.let(b)];
    const quotient = f.let(x.div(y));
    const zero = host.constant(0);
    f.if(
      isOrdinary(host, quotient),
      () => {
        // A divisor of zero gives an infinity or a NaN, an infinite dividend too: they are not ordinary.
        f.if(inexactIsRaised(circumstances), () => give(quotient.reinterpret()));
        f.if(host.exactQuotient(f, x, y, quotient), () => give(quotient.reinterpret()));
      },
      () => f.if(quotient.eq(zero).and(x.eq(zero)), () => give(quotient.reinterpret())),
    );
  });
}

/** The root of a finite number that is not negative is exact or of ordinary size. */
export function fastSqrt<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  host: Host<V, B>,
  circumstances: Circumstances,
  a: V,
  give: Give<B>,
): void {
  const x = f.let(a);
  const finite = x.ge(host.constant(0)).and(x.lt(host.constant(Number.POSITIVE_INFINITY)));
  f.if(circumstances.rm.eqz().and(finite), () => {
    const root = f.let(x.sqrt());
    f.if(inexactIsRaised(circumstances), () => give(root.reinterpret()));
    f.if(host.exactRoot(f, x, root), () => give(root.reinterpret()));
  });
}

/**
 * The bits of a binary64 significand that binary32 does not have, and their value halfway between two of its numbers.
 */
const BELOW_BINARY32 = (1n << 29n) - 1n;
const HALFWAY = 1n << 28n;

/**
 * binary32: the product is exact in binary64, and rounding the binary64 sum again does harm only when that sum lies
 * halfway between two binary32 numbers without being exact; then it is first moved off the middle to the side of the
 * exact sum.
 */
export function fastFma32(
  f: FunctionBuilder,
  circumstances: Circumstances,
  [a, b, c]: readonly [F32, F32, F32],
  give: Give<I32>,
): void {
  f.if(circumstances.rm.eqz(), () => {
    const product = f.let(a.promote().mul(b.promote()));
    const addend = f.let(c.promote());
    const sum = f.temporary('f64');
    f.set(sum, product.add(addend));
    const error = () => f.let(twoSum(f, product, addend, sum.get));
    const result = f.temporary('f32');
    f.if(
      inexactIsRaised(circumstances),
      () => {
        f.if(sum.get.reinterpret().and(BELOW_BINARY32).eq(HALFWAY), () => roundToOdd(f, sum, error()));
        f.set(result, sum.get.demote());
        f.if(isOrdinary(HOST32, result.get), () => give(result.get.reinterpret()));
      },
      () => {
        f.set(result, sum.get.demote());
        const exact = error().eq(f64(0)).and(result.get.promote().eq(sum.get));
        f.if(isOrdinary(HOST32, result.get).and(exact), () => give(result.get.reinterpret()));
      },
    );
  });
}

/** Exponents within which the exact product of two numbers neither overflows nor loses its lower half. */
const PRODUCT_RANGE = 2 ** 480;

/**
 * binary64: the product as a sum of two numbers, and those and the addend summed with one rounding by way of rounding
 * to odd (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
 */
export function fastFma64(
  f: FunctionBuilder,
  circumstances: Circumstances,
  [a, b, c]: readonly [F64, F64, F64],
  give: Give<I64>,
): void {
  const inRange = (x: F64) =>
    x
      .abs()
      .ge(f64(1 / PRODUCT_RANGE))
      .and(x.abs().le(f64(PRODUCT_RANGE)));
  f.if(circumstances.rm.eqz().and(inRange(a)).and(inRange(b)), () => {
    const high = f.let(a.mul(b));
    const low = f.let(twoProduct(f, a, b, high));
    const inner = f.let(c.add(low));
    const innerError = f.let(twoSum(f, c, low, inner));
    const outer = f.let(high.add(inner));
    const outerError = f.let(twoSum(f, high, inner, outer));
    const rest = f.temporary('f64');
    f.set(rest, innerError.add(outerError));
    roundToOdd(f, rest, f.let(twoSum(f, innerError, outerError, rest.get)));
    const result = f.let(outer.add(rest.get));
    const trusted = inexactIsRaised(circumstances).or(rest.get.eq(f64(0)));
    f.if(isOrdinary(HOST64, result).and(trusted), () => give(result.reinterpret()));
  });
}

/** Numbers, not NaNs. */
function isOrdered<V extends HostNumber<V, B>, B extends Value>(x: V, y: V): I32 {
  return x.eq(x).and(y.eq(y));
}

export function fastOrder<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  order: 'eq' | 'lt' | 'le',
  a: V,
  b: V,
  give: Give<I64>,
): void {
  const [x, y] = [f.let(a), f.let(b)];
  f.if(isOrdered(x, y), () => give(x[order](y).extendU()));
}

export function fastExtreme<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  which: 'min' | 'max',
  a: V,
  b: V,
  give: Give<B>,
): void {
  const [x, y] = [f.let(a), f.let(b)];
  // The host's own min and max are slower than a comparison, but know that -0 is less than +0.
  f.if(x.eq(y), () => give(x[which](y).reinterpret()));
  const first = which === 'min' ? x.lt(y) : x.gt(y);
  f.if(isOrdered(x, y), () => give(select(first, x.reinterpret(), y.reinterpret())));
}

/** All but NaNs, numbers that do not fit, and the mode to nearest away from zero, which the host does not have. */
export function fastToInteger<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  host: Host<V, B>,
  integer: IntegerFormat,
  { fflagsOffset, hart, rm }: Circumstances,
  a: V,
  give: Give<I64>,
): void {
  const x = f.let(a);
  const range = 2 ** (integer.width - (integer.signed ? 1 : 0));
  f.if(rm.ne(RMM), () => {
    const directed = choose(rm.eq(RDN), x.floor(), x.ceil());
    const whole = f.let(choose(rm.eq(RTZ), x.trunc(), choose(rm.eqz(), x.nearest(), directed)));
    const fits = whole.ge(host.constant(integer.signed ? -range : 0)).and(whole.lt(host.constant(range)));
    f.if(fits, () => {
      f.if(whole.ne(x), () => raise(f, fflagsOffset, hart, NX));
      const result = integer.name === 'u64' ? whole.truncToI64U() : whole.truncToI64S();
      give(integer.name === 'u32' ? result.extend32S() : result);
    });
  });
}

export function fastFromInteger<V extends HostNumber<V, B>, B extends Value>(
  f: FunctionBuilder,
  host: Host<V, B>,
  integer: IntegerFormat,
  circumstances: Circumstances,
  register: I64,
  give: Give<B>,
): void {
  const x = f.let(registerAs(integer, register));
  const result = integer.name === 'u64' ? host.fromUnsigned(x) : host.fromSigned(x);
  if (2 ** integer.width <= host.exactIntegers) {
    give(result.reinterpret());
    return;
  }
  const limit = host.exactIntegers;
  // Of signed numbers both signs, in one unsigned comparison.
  const small = integer.signed ? x.add(limit).leU(2 * limit) : x.leU(limit);
  f.if(small.or(circumstances.rm.eqz().and(inexactIsRaised(circumstances))), () => give(result.reinterpret()));
}

/** binary64 to binary32. What converts back unchanged was exact, also infinities and subnormal numbers. */
export function fastNarrow(f: FunctionBuilder, circumstances: Circumstances, x: F64, give: Give<I32>): void {
  const result = f.let(x.demote());
  f.if(circumstances.rm.eqz().and(inexactIsRaised(circumstances)).and(isOrdinary(HOST32, result)), () =>
    give(result.reinterpret()),
  );
  f.if(result.promote().eq(x), () => give(result.reinterpret()));
}

/** binary32 to binary64. */
export function fastWiden(f: FunctionBuilder, x: F32, give: Give<I64>): void {
  f.if(x.eq(x), () => give(x.promote().reinterpret()));
}
