import { FFLAGS } from '../../hart/layout.ts';
import type { FloatBits, FloatFormat, FloatUnit } from '../../isa/emitter.ts';
import { INTEGERS } from '../float/convert.ts';
import {
  type Circumstances,
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
} from '../float/fast.ts';
import { HOST32, HOST64 } from '../float/host.ts';
import type { IntegerName } from '../float/index.ts';
import type { F32, F64, FunctionBuilder, I32, I64, Value, ValueOf, ValueType } from '../wasm/index.ts';

/**
 * Floating point inside a region: the fast paths, without a call. Where none of them applies the instruction is left to
 * the interpreter (`giveUp`), which has the exact operations.
 */
export class FloatInline implements FloatUnit {
  private readonly f: FunctionBuilder;
  private readonly hart: I32;
  private readonly giveUp: () => void;

  constructor(f: FunctionBuilder, hart: I32, giveUp: () => void) {
    this.f = f;
    this.hart = hart;
    this.giveUp = giveUp;
  }

  private circumstances(rm: I32): Circumstances {
    return { fflagsOffset: FFLAGS, hart: this.hart, rm };
  }

  /** The result of `attempt`, which hands it over or falls through. */
  private try<T extends ValueType>(type: T, attempt: (give: (value: Value) => void) => void): ValueOf[T] {
    const { f } = this;
    const result = f.temporary(type);
    f.block((done) => {
      attempt((value) => {
        f.set(result, value as never);
        f.branch(done);
      });
      this.giveUp();
    });
    return result.get;
  }

  private single(bits: FloatBits): F32 {
    return (bits as I32).reinterpret();
  }

  private double(bits: FloatBits): F64 {
    return (bits as I64).reinterpret();
  }

  arithmetic(format: FloatFormat, name: 'add' | 'sub' | 'mul' | 'div', a: FloatBits, b: FloatBits, rm: I32): FloatBits {
    const { f } = this;
    const circumstances = this.circumstances(rm);
    if (format === 'f64') {
      const [x, y] = [this.double(a), this.double(b)];
      return this.try('i64', (give) => {
        if (name === 'mul') fastMultiply(f, HOST64, circumstances, x, y, give);
        else if (name === 'div') fastDivide(f, HOST64, circumstances, x, y, give);
        else fastAdd(f, HOST64, circumstances, x, name === 'sub' ? y.neg() : y, give);
      });
    }
    const [x, y] = [this.single(a), this.single(b)];
    return this.try('i32', (give) => {
      if (name === 'mul') fastMultiply(f, HOST32, circumstances, x, y, give);
      else if (name === 'div') fastDivide(f, HOST32, circumstances, x, y, give);
      else fastAdd(f, HOST32, circumstances, x, name === 'sub' ? y.neg() : y, give);
    });
  }

  squareRoot(format: FloatFormat, a: FloatBits, rm: I32): FloatBits {
    const circumstances = this.circumstances(rm);
    if (format === 'f64')
      return this.try('i64', (give) => fastSqrt(this.f, HOST64, circumstances, this.double(a), give));
    return this.try('i32', (give) => fastSqrt(this.f, HOST32, circumstances, this.single(a), give));
  }

  fused(format: FloatFormat, a: FloatBits, b: FloatBits, c: FloatBits, rm: I32): FloatBits {
    const { f } = this;
    const circumstances = this.circumstances(rm);
    if (format === 'f64') {
      const numbers = [f.let(this.double(a)), f.let(this.double(b)), f.let(this.double(c))] as const;
      return this.try('i64', (give) => fastFma64(f, circumstances, numbers, give));
    }
    const numbers = [f.let(this.single(a)), f.let(this.single(b)), f.let(this.single(c))] as const;
    return this.try('i32', (give) => fastFma32(f, circumstances, numbers, give));
  }

  extreme(format: FloatFormat, name: 'min' | 'max', a: FloatBits, b: FloatBits): FloatBits {
    const { f } = this;
    if (format === 'f64') {
      const [x, y] = [f.let(this.double(a)), f.let(this.double(b))];
      return this.try('i64', (give) => fastExtreme(f, name, x, y, give));
    }
    const [x, y] = [f.let(this.single(a)), f.let(this.single(b))];
    return this.try('i32', (give) => fastExtreme(f, name, x, y, give));
  }

  compare(format: FloatFormat, name: 'eq' | 'lt' | 'le', a: FloatBits, b: FloatBits): I64 {
    const { f } = this;
    if (format === 'f64') {
      const [x, y] = [f.let(this.double(a)), f.let(this.double(b))];
      return this.try('i64', (give) => fastOrder(f, name, x, y, give));
    }
    const [x, y] = [f.let(this.single(a)), f.let(this.single(b))];
    return this.try('i64', (give) => fastOrder(f, name, x, y, give));
  }

  /** Rare enough to be interpreted always. */
  classify(_format: FloatFormat, _a: FloatBits): I64 {
    return this.try('i64', () => {});
  }

  toInteger(format: FloatFormat, integer: IntegerName, a: FloatBits, rm: I32): I64 {
    const { f } = this;
    const target = INTEGERS.find(({ name }) => name === integer)!;
    const circumstances = this.circumstances(rm);
    if (format === 'f64') {
      const x = f.let(this.double(a));
      return this.try('i64', (give) => fastToInteger(f, HOST64, target, circumstances, x, give));
    }
    const x = f.let(this.single(a));
    return this.try('i64', (give) => fastToInteger(f, HOST32, target, circumstances, x, give));
  }

  fromInteger(format: FloatFormat, integer: IntegerName, x: I64, rm: I32): FloatBits {
    const { f } = this;
    const source = INTEGERS.find(({ name }) => name === integer)!;
    const circumstances = this.circumstances(rm);
    const value = f.let(x);
    if (format === 'f64') {
      return this.try('i64', (give) => fastFromInteger(f, HOST64, source, circumstances, value, give));
    }
    return this.try('i32', (give) => fastFromInteger(f, HOST32, source, circumstances, value, give));
  }

  narrow(a: I64, rm: I32): I32 {
    const x = this.f.let(this.double(a));
    return this.try('i32', (give) => fastNarrow(this.f, this.circumstances(rm), x, give));
  }

  widen(a: I32): I64 {
    const x = this.f.let(this.single(a));
    return this.try('i64', (give) => fastWiden(this.f, x, give));
  }
}
