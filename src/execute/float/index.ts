import {
  type Callable,
  type F32,
  type F64,
  type FunctionBuilder,
  I32,
  type I64,
  type ModuleBuilder,
  type Value,
  type ValueType,
} from '../wasm/index.ts';
import { defineAdd } from './add.ts';
import { defineClassify, defineExtreme, defineOrder } from './compare.ts';
import {
  defineFromInteger,
  defineNarrow,
  defineToInteger,
  defineWiden,
  INTEGERS,
  type IntegerFormat,
} from './convert.ts';
import { defineDivide, defineSqrt } from './divide.ts';
import {
  fastAdd,
  fastDivide,
  fastExtreme,
  fastFma32,
  fastFma64,
  fastFromInteger,
  fastMultiply,
  fastNarrow,
  fastOrder,
  fastSqrt,
  fastToInteger,
  fastWiden,
} from './fast.ts';
import { defineFma } from './fma.ts';
import { BINARY32, BINARY64, type FloatFormat } from './format.ts';
import { HOST32, HOST64, type Host, type HostNumber } from './host.ts';
import { defineMultiply } from './multiply.ts';
import type { ExactContext } from './parts.ts';
import { defineNaN, defineRound } from './round.ts';

type Operation<P extends readonly ValueType[], R extends ValueType> = Callable & {
  readonly parameters: P;
  readonly result: R;
};

export type IntegerName = IntegerFormat['name'];

/**
 * The operations of one format. Bit patterns are i32 for binary32 and i64 for binary64 (T below); what goes to or comes
 * from an integer register is an i64. Parameters are named in the order that they are given.
 */
export interface FormatFunctions<T extends 'i32' | 'i64'> {
  /** (hart, a, b, rm) */
  readonly add: Operation<readonly ['i32', T, T, 'i32'], T>;
  readonly sub: Operation<readonly ['i32', T, T, 'i32'], T>;
  readonly mul: Operation<readonly ['i32', T, T, 'i32'], T>;
  readonly div: Operation<readonly ['i32', T, T, 'i32'], T>;
  /** (hart, a, rm) */
  readonly sqrt: Operation<readonly ['i32', T, 'i32'], T>;
  /** (hart, a, b, c, rm): a * b + c, rounded once. */
  readonly fma: Operation<readonly ['i32', T, T, T, 'i32'], T>;
  /** (hart, a, b) */
  readonly min: Operation<readonly ['i32', T, T], T>;
  readonly max: Operation<readonly ['i32', T, T], T>;
  /** (hart, a, b): 0 or 1 */
  readonly eq: Operation<readonly ['i32', T, T], 'i64'>;
  readonly lt: Operation<readonly ['i32', T, T], 'i64'>;
  readonly le: Operation<readonly ['i32', T, T], 'i64'>;
  /** (a): the mask of `fclass` */
  readonly classify: Operation<readonly [T], 'i64'>;
  /** (hart, a, rm): 32-bit results are sign-extended, unsigned ones too. */
  readonly toInteger: Readonly<Record<IntegerName, Operation<readonly ['i32', T, 'i32'], 'i64'>>>;
  /** (hart, register, rm): 32-bit formats read the lower half of the register. */
  readonly fromInteger: Readonly<Record<IntegerName, Operation<readonly ['i32', 'i64', 'i32'], T>>>;
}

export interface FloatFunctions {
  readonly f32: FormatFunctions<'i32'>;
  readonly f64: FormatFunctions<'i64'>;
  /** (hart, a) */
  readonly f32ToF64: Operation<readonly ['i32', 'i32'], 'i64'>;
  /** (hart, a, rm) */
  readonly f64ToF32: Operation<readonly ['i32', 'i64', 'i32'], 'i32'>;
}

export interface FloatOptions {
  /**
   * Use the host's own operations where they are known to give the guest's result and flags. On unless said otherwise.
   */
  readonly fastPaths?: boolean;
}

/**
 * Defines exact RISC-V floating point in a module. The functions take bit patterns, a hart's address, and a rounding
 * mode that is known to be valid (0 to 4); they add to the accrued exception flags, an i32 at `hart + fflagsOffset`.
 */
export function defineFloat(module: ModuleBuilder, fflagsOffset: number, options: FloatOptions = {}): FloatFunctions {
  const fast = options.fastPaths ?? true;
  const single = defineContext(module, BINARY32, fflagsOffset);
  const double = defineContext(module, BINARY64, fflagsOffset);
  const f32 = defineFormat<'i32', F32, I32>(module, single, HOST32, fast);
  const f64 = defineFormat<'i64', F64, I64>(module, double, HOST64, fast);
  const narrow = defineNarrow(module, double, single);
  const widen = defineWiden(module, single, double);
  return {
    f32: {
      ...f32.common,
      fma: module.function('f32.fma', ['i32', 'i32', 'i32', 'i32', 'i32'], 'i32', (f, hart, a, b, c, rm) => {
        const numbers = [a.get.reinterpret(), b.get.reinterpret(), c.get.reinterpret()] as const;
        if (fast) fastFma32(f, { fflagsOffset, hart: hart.get, rm: rm.get }, numbers, (bits) => f.return(bits));
        const exact = [a.get.extendU(), b.get.extendU(), c.get.extendU()];
        f.result(f.call(f32.exactFma, hart.get, ...exact, rm.get).wrap());
      }),
    },
    f64: {
      ...f64.common,
      fma: module.function('f64.fma', ['i32', 'i64', 'i64', 'i64', 'i32'], 'i64', (f, hart, a, b, c, rm) => {
        const numbers = [f.let(a.get.reinterpret()), f.let(b.get.reinterpret()), f.let(c.get.reinterpret())] as const;
        if (fast) fastFma64(f, { fflagsOffset, hart: hart.get, rm: rm.get }, numbers, (bits) => f.return(bits));
        f.result(f.call(f64.exactFma, hart.get, a.get, b.get, c.get, rm.get));
      }),
    },
    f64ToF32: module.function('f64ToF32', ['i32', 'i64', 'i32'], 'i32', (f, hart, a, rm) => {
      const circumstances = { fflagsOffset, hart: hart.get, rm: rm.get };
      if (fast) fastNarrow(f, circumstances, f.let(a.get.reinterpret()), (bits) => f.return(bits));
      f.result(f.call(narrow, hart.get, a.get, rm.get).wrap());
    }),
    f32ToF64: module.function('f32ToF64', ['i32', 'i32'], 'i64', (f, hart, a) => {
      if (fast) fastWiden(f, f.let(a.get.reinterpret()), (bits) => f.return(bits));
      f.result(f.call(widen, hart.get, a.get.extendU()));
    }),
  };
}

function defineContext(module: ModuleBuilder, format: FloatFormat, fflagsOffset: number): ExactContext {
  return {
    format,
    fflagsOffset,
    round: defineRound(module, format, fflagsOffset),
    nan: defineNaN(module, format, fflagsOffset),
  };
}

/** All but the fused multiply-add, whose fast paths differ between the formats. */
function defineFormat<T extends 'i32' | 'i64', V extends HostNumber<V, B>, B extends Value>(
  module: ModuleBuilder,
  context: ExactContext,
  host: Host<V, B>,
  fast: boolean,
) {
  const { format, fflagsOffset } = context;
  const bits = format.bits as T;
  const widened = (value: Value): I64 => (value instanceof I32 ? value.extendU() : (value as I64));
  const narrowed = (value: I64): Value => (format.bits === 'i32' ? value.wrap() : value);
  const number = (value: Value) => host.number(value as B);
  const exactAdd = defineAdd(module, context);
  /** The fast path, when there are any, and after it the exact operation. */
  const enter = (f: FunctionBuilder, path: (give: (bits: Value) => void) => void) => {
    if (fast) path((value) => f.return(value));
  };

  type Exact = Callable & { readonly result: 'i64' };
  type FastTwo = typeof fastAdd<V, B>;
  const arithmetic = (name: string, exact: Exact, path: FastTwo, turnSecond = false) =>
    module.function(`${format.name}.${name}`, ['i32', bits, bits, 'i32'], bits, (f, hart, a, b, rm) => {
      const [x, y] = [a.get as Value, b.get as Value];
      const second = turnSecond ? number(y).neg() : number(y);
      const circumstances = { fflagsOffset, hart: hart.get, rm: rm.get };
      enter(f, (give) => path(f, host, circumstances, number(x), second, give));
      const right = turnSecond ? widened(y).xor(format.sign) : widened(y);
      f.result(narrowed(f.call(exact, hart.get, widened(x), right, rm.get)));
    });
  const extreme = (which: 'min' | 'max') => {
    const exact = defineExtreme(module, context, which);
    return module.function(`${format.name}.${which}`, ['i32', bits, bits], bits, (f, hart, a, b) => {
      const [x, y] = [a.get as Value, b.get as Value];
      enter(f, (give) => fastExtreme(f, which, number(x), number(y), give));
      f.result(narrowed(f.call(exact, hart.get, widened(x), widened(y))));
    });
  };
  const order = (which: 'eq' | 'lt' | 'le') => {
    const exact = defineOrder(module, context, which);
    return module.function(`${format.name}.${which}`, ['i32', bits, bits], 'i64', (f, hart, a, b) => {
      const [x, y] = [a.get as Value, b.get as Value];
      enter(f, (give) => fastOrder(f, which, number(x), number(y), give));
      f.result(f.call(exact, hart.get, widened(x), widened(y)));
    });
  };
  const toInteger = (integer: IntegerFormat) => {
    const exact = defineToInteger(module, context, integer);
    const name = `${format.name}.to.${integer.name}`;
    return module.function(name, ['i32', bits, 'i32'], 'i64', (f, hart, a, rm) => {
      const x = a.get as Value;
      const circumstances = { fflagsOffset, hart: hart.get, rm: rm.get };
      enter(f, (give) => fastToInteger(f, host, integer, circumstances, number(x), give));
      f.result(f.call(exact, hart.get, widened(x), rm.get));
    });
  };
  const fromInteger = (integer: IntegerFormat) => {
    const exact = defineFromInteger(module, context, integer);
    const name = `${format.name}.from.${integer.name}`;
    return module.function(name, ['i32', 'i64', 'i32'], bits, (f, hart, x, rm) => {
      const circumstances = { fflagsOffset, hart: hart.get, rm: rm.get };
      enter(f, (give) => fastFromInteger(f, host, integer, circumstances, x.get, give));
      f.result(narrowed(f.call(exact, hart.get, x.get, rm.get)));
    });
  };
  const forIntegers = <R>(define: (integer: IntegerFormat) => R) =>
    Object.fromEntries(INTEGERS.map((integer) => [integer.name, define(integer)])) as Record<IntegerName, R>;

  const exactSqrt = defineSqrt(module, context);
  const classify = defineClassify(module, context);
  return {
    exactFma: defineFma(module, context),
    common: {
      add: arithmetic('add', exactAdd, fastAdd),
      sub: arithmetic('sub', exactAdd, fastAdd, true),
      mul: arithmetic('mul', defineMultiply(module, context), fastMultiply),
      div: arithmetic('div', defineDivide(module, context), fastDivide),
      sqrt: module.function(`${format.name}.sqrt`, ['i32', bits, 'i32'], bits, (f, hart, a, rm) => {
        const x = a.get as Value;
        const circumstances = { fflagsOffset, hart: hart.get, rm: rm.get };
        enter(f, (give) => fastSqrt(f, host, circumstances, number(x), give));
        f.result(narrowed(f.call(exactSqrt, hart.get, widened(x), rm.get)));
      }),
      min: extreme('min'),
      max: extreme('max'),
      eq: order('eq'),
      lt: order('lt'),
      le: order('le'),
      classify: module.function(`${format.name}.classify`, [bits], 'i64', (f, a) => {
        f.result(f.call(classify, widened(a.get as Value)));
      }),
      toInteger: forIntegers(toInteger),
      fromInteger: forIntegers(fromInteger),
    },
  };
}
