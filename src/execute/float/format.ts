/** Rounding modes as in `frm` and the rm field (unprivileged spec, "F" extension, table of rounding modes). */
export const RNE = 0;
export const RTZ = 1;
export const RDN = 2;
export const RUP = 3;
export const RMM = 4;

/** Accrued exception flags as in `fflags`. */
export const NX = 1;
export const UF = 2;
export const OF = 4;
export const DZ = 8;
export const NV = 16;

/**
 * Significands of both formats are worked on in one form, that of binary64: the leading bit at 52. So one generator
 * serves both, and binary32 only rounds away more bits.
 */
export const LEADING = 52n;

/** One of the two interchange formats (IEEE 754-2008 3.4), and how its bit pattern travels through WebAssembly. */
export interface FloatFormat<T extends 'i32' | 'i64' = 'i32' | 'i64'> {
  readonly name: 'f32' | 'f64';
  /** The type of a bit pattern. */
  readonly bits: T;
  readonly fractionBits: bigint;
  /** The exponent field of infinities and NaNs. */
  readonly maximumExponent: number;
  readonly bias: number;
  readonly sign: bigint;
  /** The sign's bit number. */
  readonly signPlace: number;
  readonly infinity: bigint;
  readonly quietBit: bigint;
  readonly canonicalNaN: bigint;
}

function format<T extends 'i32' | 'i64'>(bits: T, width: bigint, fractionBits: bigint): FloatFormat<T> {
  const maximumExponent = (1 << Number(width - fractionBits - 1n)) - 1;
  const infinity = BigInt(maximumExponent) << fractionBits;
  const quietBit = 1n << (fractionBits - 1n);
  return {
    name: bits === 'i32' ? 'f32' : 'f64',
    bits,
    fractionBits,
    maximumExponent,
    bias: maximumExponent >> 1,
    sign: 1n << (width - 1n),
    signPlace: Number(width) - 1,
    infinity,
    quietBit,
    canonicalNaN: infinity | quietBit,
  };
}

export const BINARY32 = format('i32', 32n, 23n);
export const BINARY64 = format('i64', 64n, 52n);
