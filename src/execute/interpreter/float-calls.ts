import type { FloatBits, FloatFormat, FloatUnit } from '../../isa/emitter.ts';
import type { FloatFunctions, FormatFunctions, IntegerName } from '../float/index.ts';
import type { FunctionBuilder, I32, I64 } from '../wasm/index.ts';

/** Floating point by calls of the functions of the same module. */
export class FloatCalls implements FloatUnit {
  private readonly f: FunctionBuilder;
  private readonly hart: I32;
  private readonly functions: FloatFunctions;

  constructor(f: FunctionBuilder, hart: I32, functions: FloatFunctions) {
    this.f = f;
    this.hart = hart;
    this.functions = functions;
  }

  // The two formats have the same functions; only the type of the bits differs.
  private of(format: FloatFormat): FormatFunctions<'i64'> {
    return this.functions[format] as unknown as FormatFunctions<'i64'>;
  }

  arithmetic(format: FloatFormat, name: 'add' | 'sub' | 'mul' | 'div', a: FloatBits, b: FloatBits, rm: I32): FloatBits {
    return this.f.call(this.of(format)[name], this.hart, a, b, rm);
  }

  squareRoot(format: FloatFormat, a: FloatBits, rm: I32): FloatBits {
    return this.f.call(this.of(format).sqrt, this.hart, a, rm);
  }

  fused(format: FloatFormat, a: FloatBits, b: FloatBits, c: FloatBits, rm: I32): FloatBits {
    return this.f.call(this.of(format).fma, this.hart, a, b, c, rm);
  }

  extreme(format: FloatFormat, name: 'min' | 'max', a: FloatBits, b: FloatBits): FloatBits {
    return this.f.call(this.of(format)[name], this.hart, a, b);
  }

  compare(format: FloatFormat, name: 'eq' | 'lt' | 'le', a: FloatBits, b: FloatBits): I64 {
    return this.f.call(this.of(format)[name], this.hart, a, b);
  }

  classify(format: FloatFormat, a: FloatBits): I64 {
    return this.f.call(this.of(format).classify, a);
  }

  toInteger(format: FloatFormat, integer: IntegerName, a: FloatBits, rm: I32): I64 {
    return this.f.call(this.of(format).toInteger[integer], this.hart, a, rm);
  }

  fromInteger(format: FloatFormat, integer: IntegerName, x: I64, rm: I32): FloatBits {
    return this.f.call(this.of(format).fromInteger[integer], this.hart, x, rm);
  }

  narrow(a: I64, rm: I32): I32 {
    return this.f.call(this.functions.f64ToF32, this.hart, a, rm);
  }

  widen(a: I32): I64 {
    return this.f.call(this.functions.f32ToF64, this.hart, a);
  }
}
