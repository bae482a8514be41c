import type { ByteWriter } from './bytes.ts';

/**
 * Expressions of a WebAssembly function as small trees. A tree is written out where it is consumed, so a value that is
 * used twice must be put into a local first (`FunctionBuilder.let`). Nothing here has side effects except calls.
 */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64';

export const VALUE_TYPE_CODE: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };

type Int = I32 | number;
type Long = I64 | number | bigint;
type Writer = (out: ByteWriter) => void;

/** One node. `write` puts the code that leaves the value on the stack. */
export abstract class Value {
  abstract readonly type: ValueType;
  readonly write: Writer;
  /** The value where it is known now; for folding. */
  readonly constant: number | bigint | undefined;

  constructor(write: Writer, constant?: number | bigint) {
    this.write = write;
    this.constant = constant;
  }
}

function operation(code: number, ...args: Value[]): Writer {
  return (out) => {
    for (const arg of args) arg.write(out);
    out.u8(code);
  };
}

function memoryOperation(code: number, address: Value, offset: number): Writer {
  return (out) => {
    address.write(out);
    out.u8(code);
    out.u8(0); // alignment hint: none promised
    out.u32(offset);
  };
}

export function i32(value: Int): I32 {
  if (typeof value !== 'number') return value;
  const constant = value | 0;
  return new I32((out) => {
    out.u8(0x41);
    out.i32(constant);
  }, constant);
}

export function i64(value: Long): I64 {
  if (value instanceof I64) return value;
  const constant = BigInt.asIntN(64, BigInt(value));
  return new I64((out) => {
    out.u8(0x42);
    out.i64(constant);
  }, constant);
}

export function f32(value: number): F32 {
  return new F32((out) => {
    out.u8(0x43);
    out.f32(value);
  }, value);
}

export function f64(value: number): F64 {
  return new F64((out) => {
    out.u8(0x44);
    out.f64(value);
  }, value);
}

function fold32(a: I32, b: I32, compute: (x: number, y: number) => number): I32 | undefined {
  if (typeof a.constant === 'number' && typeof b.constant === 'number') return i32(compute(a.constant, b.constant) | 0);
  return undefined;
}

function fold64(a: I64, b: I64, compute: (x: bigint, y: bigint) => bigint): I64 | undefined {
  if (typeof a.constant === 'bigint' && typeof b.constant === 'bigint') return i64(compute(a.constant, b.constant));
  return undefined;
}

/** A 32-bit integer; also truth values and addresses in the memory. */
export class I32 extends Value {
  override readonly type = 'i32';

  private two(code: number, other: Int): I32 {
    return new I32(operation(code, this, i32(other)));
  }
  add(other: Int): I32 {
    const right = i32(other);
    if (right.constant === 0) return this;
    if (this.constant === 0) return right;
    return fold32(this, right, (x, y) => x + y) ?? this.two(0x6a, right);
  }
  sub(other: Int): I32 {
    const right = i32(other);
    if (right.constant === 0) return this;
    return fold32(this, right, (x, y) => x - y) ?? this.two(0x6b, right);
  }
  mul(other: Int): I32 {
    return fold32(this, i32(other), Math.imul) ?? this.two(0x6c, other);
  }
  divS(other: Int): I32 {
    return this.two(0x6d, other);
  }
  divU(other: Int): I32 {
    return this.two(0x6e, other);
  }
  remS(other: Int): I32 {
    return this.two(0x6f, other);
  }
  remU(other: Int): I32 {
    return this.two(0x70, other);
  }
  and(other: Int): I32 {
    return fold32(this, i32(other), (x, y) => x & y) ?? this.two(0x71, other);
  }
  or(other: Int): I32 {
    const right = i32(other);
    if (right.constant === 0) return this;
    return fold32(this, right, (x, y) => x | y) ?? this.two(0x72, right);
  }
  xor(other: Int): I32 {
    return this.two(0x73, other);
  }
  shl(other: Int): I32 {
    const right = i32(other);
    if (right.constant === 0) return this;
    return fold32(this, right, (x, y) => x << y) ?? this.two(0x74, right);
  }
  shrS(other: Int): I32 {
    return this.two(0x75, other);
  }
  shrU(other: Int): I32 {
    return this.two(0x76, other);
  }
  rotl(other: Int): I32 {
    return this.two(0x77, other);
  }
  rotr(other: Int): I32 {
    return this.two(0x78, other);
  }
  eqz(): I32 {
    return new I32(operation(0x45, this));
  }
  eq(other: Int): I32 {
    return this.two(0x46, other);
  }
  ne(other: Int): I32 {
    return this.two(0x47, other);
  }
  ltS(other: Int): I32 {
    return this.two(0x48, other);
  }
  ltU(other: Int): I32 {
    return this.two(0x49, other);
  }
  gtS(other: Int): I32 {
    return this.two(0x4a, other);
  }
  gtU(other: Int): I32 {
    return this.two(0x4b, other);
  }
  leS(other: Int): I32 {
    return this.two(0x4c, other);
  }
  leU(other: Int): I32 {
    return this.two(0x4d, other);
  }
  geS(other: Int): I32 {
    return this.two(0x4e, other);
  }
  geU(other: Int): I32 {
    return this.two(0x4f, other);
  }
  clz(): I32 {
    return new I32(operation(0x67, this));
  }
  ctz(): I32 {
    return new I32(operation(0x68, this));
  }
  popcnt(): I32 {
    return new I32(operation(0x69, this));
  }
  extend8S(): I32 {
    return new I32(operation(0xc0, this));
  }
  extend16S(): I32 {
    return new I32(operation(0xc1, this));
  }
  extendS(): I64 {
    if (typeof this.constant === 'number') return i64(this.constant);
    return new I64(operation(0xac, this));
  }
  extendU(): I64 {
    if (typeof this.constant === 'number') return i64(this.constant >>> 0);
    return new I64(operation(0xad, this));
  }
  reinterpret(): F32 {
    return new F32(operation(0xbe, this));
  }
  toF32S(): F32 {
    return new F32(operation(0xb2, this));
  }
  toF32U(): F32 {
    return new F32(operation(0xb3, this));
  }
  toF64S(): F64 {
    return new F64(operation(0xb7, this));
  }
  toF64U(): F64 {
    return new F64(operation(0xb8, this));
  }

  // Memory reads with this value as the address.
  load(offset = 0): I32 {
    return new I32(memoryOperation(0x28, this, offset));
  }
  load8S(offset = 0): I32 {
    return new I32(memoryOperation(0x2c, this, offset));
  }
  load8U(offset = 0): I32 {
    return new I32(memoryOperation(0x2d, this, offset));
  }
  load16S(offset = 0): I32 {
    return new I32(memoryOperation(0x2e, this, offset));
  }
  load16U(offset = 0): I32 {
    return new I32(memoryOperation(0x2f, this, offset));
  }
  load64(offset = 0): I64 {
    return new I64(memoryOperation(0x29, this, offset));
  }
  /** A read of 1, 2, 4 or 8 bytes into a 64-bit value. */
  load64Of(width: 1 | 2 | 4 | 8, signed: boolean, offset = 0): I64 {
    const code = width === 8 ? 0x29 : { 1: 0x31, 2: 0x33, 4: 0x35 }[width] - (signed ? 1 : 0);
    return new I64(memoryOperation(code, this, offset));
  }
  loadF32(offset = 0): F32 {
    return new F32(memoryOperation(0x2a, this, offset));
  }
  loadF64(offset = 0): F64 {
    return new F64(memoryOperation(0x2b, this, offset));
  }
}

/** A 64-bit integer. Comparisons give an I32 of 0 or 1. */
export class I64 extends Value {
  override readonly type = 'i64';

  private two(code: number, other: Long): I64 {
    return new I64(operation(code, this, i64(other)));
  }
  private compare(code: number, other: Long): I32 {
    return new I32(operation(code, this, i64(other)));
  }
  add(other: Long): I64 {
    const right = i64(other);
    if (right.constant === 0n) return this;
    if (this.constant === 0n) return right;
    return fold64(this, right, (x, y) => x + y) ?? this.two(0x7c, right);
  }
  sub(other: Long): I64 {
    const right = i64(other);
    if (right.constant === 0n) return this;
    return fold64(this, right, (x, y) => x - y) ?? this.two(0x7d, right);
  }
  mul(other: Long): I64 {
    return fold64(this, i64(other), (x, y) => x * y) ?? this.two(0x7e, other);
  }
  /** Traps on division by zero and on overflow. */
  divS(other: Long): I64 {
    return this.two(0x7f, other);
  }
  divU(other: Long): I64 {
    return this.two(0x80, other);
  }
  remS(other: Long): I64 {
    return this.two(0x81, other);
  }
  remU(other: Long): I64 {
    return this.two(0x82, other);
  }
  and(other: Long): I64 {
    return fold64(this, i64(other), (x, y) => x & y) ?? this.two(0x83, other);
  }
  or(other: Long): I64 {
    const right = i64(other);
    if (right.constant === 0n) return this;
    if (this.constant === 0n) return right;
    return fold64(this, right, (x, y) => x | y) ?? this.two(0x84, right);
  }
  xor(other: Long): I64 {
    return fold64(this, i64(other), (x, y) => x ^ y) ?? this.two(0x85, other);
  }
  not(): I64 {
    return this.xor(-1);
  }
  /** Shift amounts count modulo 64. */
  shl(other: Long): I64 {
    const right = i64(other);
    if (right.constant === 0n) return this;
    return fold64(this, right, (x, y) => x << (y & 63n)) ?? this.two(0x86, right);
  }
  shrS(other: Long): I64 {
    const right = i64(other);
    if (right.constant === 0n) return this;
    return fold64(this, right, (x, y) => x >> (y & 63n)) ?? this.two(0x87, right);
  }
  shrU(other: Long): I64 {
    const right = i64(other);
    if (right.constant === 0n) return this;
    return fold64(this, right, (x, y) => BigInt.asUintN(64, x) >> (y & 63n)) ?? this.two(0x88, right);
  }
  rotl(other: Long): I64 {
    return this.two(0x89, other);
  }
  rotr(other: Long): I64 {
    return this.two(0x8a, other);
  }
  eqz(): I32 {
    return new I32(operation(0x50, this));
  }
  eq(other: Long): I32 {
    return this.compare(0x51, other);
  }
  ne(other: Long): I32 {
    return this.compare(0x52, other);
  }
  ltS(other: Long): I32 {
    return this.compare(0x53, other);
  }
  ltU(other: Long): I32 {
    return this.compare(0x54, other);
  }
  gtS(other: Long): I32 {
    return this.compare(0x55, other);
  }
  gtU(other: Long): I32 {
    return this.compare(0x56, other);
  }
  leS(other: Long): I32 {
    return this.compare(0x57, other);
  }
  leU(other: Long): I32 {
    return this.compare(0x58, other);
  }
  geS(other: Long): I32 {
    return this.compare(0x59, other);
  }
  geU(other: Long): I32 {
    return this.compare(0x5a, other);
  }
  clz(): I64 {
    return new I64(operation(0x79, this));
  }
  ctz(): I64 {
    return new I64(operation(0x7a, this));
  }
  popcnt(): I64 {
    return new I64(operation(0x7b, this));
  }
  extend8S(): I64 {
    return new I64(operation(0xc2, this));
  }
  extend16S(): I64 {
    return new I64(operation(0xc3, this));
  }
  extend32S(): I64 {
    return new I64(operation(0xc4, this));
  }
  wrap(): I32 {
    if (typeof this.constant === 'bigint') return i32(Number(BigInt.asIntN(32, this.constant)));
    return new I32(operation(0xa7, this));
  }
  reinterpret(): F64 {
    return new F64(operation(0xbf, this));
  }
  toF32S(): F32 {
    return new F32(operation(0xb4, this));
  }
  toF32U(): F32 {
    return new F32(operation(0xb5, this));
  }
  toF64S(): F64 {
    return new F64(operation(0xb9, this));
  }
  toF64U(): F64 {
    return new F64(operation(0xba, this));
  }
}

/** Binary32. */
export class F32 extends Value {
  override readonly type = 'f32';

  private two(code: number, other: F32): F32 {
    return new F32(operation(code, this, other));
  }
  private compare(code: number, other: F32): I32 {
    return new I32(operation(code, this, other));
  }
  add(other: F32): F32 {
    return this.two(0x92, other);
  }
  sub(other: F32): F32 {
    return this.two(0x93, other);
  }
  mul(other: F32): F32 {
    return this.two(0x94, other);
  }
  div(other: F32): F32 {
    return this.two(0x95, other);
  }
  /** A NaN operand gives a NaN whose bits the host chooses; -0 is less than +0. */
  min(other: F32): F32 {
    return this.two(0x96, other);
  }
  max(other: F32): F32 {
    return this.two(0x97, other);
  }
  sqrt(): F32 {
    return new F32(operation(0x91, this));
  }
  abs(): F32 {
    return new F32(operation(0x8b, this));
  }
  neg(): F32 {
    return new F32(operation(0x8c, this));
  }
  ceil(): F32 {
    return new F32(operation(0x8d, this));
  }
  floor(): F32 {
    return new F32(operation(0x8e, this));
  }
  trunc(): F32 {
    return new F32(operation(0x8f, this));
  }
  nearest(): F32 {
    return new F32(operation(0x90, this));
  }
  eq(other: F32): I32 {
    return this.compare(0x5b, other);
  }
  ne(other: F32): I32 {
    return this.compare(0x5c, other);
  }
  lt(other: F32): I32 {
    return this.compare(0x5d, other);
  }
  gt(other: F32): I32 {
    return this.compare(0x5e, other);
  }
  le(other: F32): I32 {
    return this.compare(0x5f, other);
  }
  ge(other: F32): I32 {
    return this.compare(0x60, other);
  }
  /** Traps when the value does not fit. */
  truncToI32S(): I32 {
    return new I32(operation(0xa8, this));
  }
  truncToI64S(): I64 {
    return new I64(operation(0xae, this));
  }
  truncToI64U(): I64 {
    return new I64(operation(0xaf, this));
  }
  promote(): F64 {
    return new F64(operation(0xbb, this));
  }
  reinterpret(): I32 {
    return new I32(operation(0xbc, this));
  }
}

/** Binary64. */
export class F64 extends Value {
  override readonly type = 'f64';

  private two(code: number, other: F64): F64 {
    return new F64(operation(code, this, other));
  }
  private compare(code: number, other: F64): I32 {
    return new I32(operation(code, this, other));
  }
  add(other: F64): F64 {
    return this.two(0xa0, other);
  }
  sub(other: F64): F64 {
    return this.two(0xa1, other);
  }
  mul(other: F64): F64 {
    return this.two(0xa2, other);
  }
  div(other: F64): F64 {
    return this.two(0xa3, other);
  }
  /** A NaN operand gives a NaN whose bits the host chooses; -0 is less than +0. */
  min(other: F64): F64 {
    return this.two(0xa4, other);
  }
  max(other: F64): F64 {
    return this.two(0xa5, other);
  }
  sqrt(): F64 {
    return new F64(operation(0x9f, this));
  }
  abs(): F64 {
    return new F64(operation(0x99, this));
  }
  neg(): F64 {
    return new F64(operation(0x9a, this));
  }
  ceil(): F64 {
    return new F64(operation(0x9b, this));
  }
  floor(): F64 {
    return new F64(operation(0x9c, this));
  }
  trunc(): F64 {
    return new F64(operation(0x9d, this));
  }
  nearest(): F64 {
    return new F64(operation(0x9e, this));
  }
  eq(other: F64): I32 {
    return this.compare(0x61, other);
  }
  ne(other: F64): I32 {
    return this.compare(0x62, other);
  }
  lt(other: F64): I32 {
    return this.compare(0x63, other);
  }
  gt(other: F64): I32 {
    return this.compare(0x64, other);
  }
  le(other: F64): I32 {
    return this.compare(0x65, other);
  }
  ge(other: F64): I32 {
    return this.compare(0x66, other);
  }
  /** Traps when the value does not fit. */
  truncToI32S(): I32 {
    return new I32(operation(0xaa, this));
  }
  truncToI64S(): I64 {
    return new I64(operation(0xb0, this));
  }
  truncToI64U(): I64 {
    return new I64(operation(0xb1, this));
  }
  demote(): F32 {
    return new F32(operation(0xb6, this));
  }
  reinterpret(): I64 {
    return new I64(operation(0xbd, this));
  }
}

export interface ValueOf {
  i32: I32;
  i64: I64;
  f32: F32;
  f64: F64;
}

export function makeValue<T extends ValueType>(type: T, write: Writer): ValueOf[T] {
  const classes = { i32: I32, i64: I64, f32: F32, f64: F64 };
  return new classes[type](write) as ValueOf[T];
}

/** `condition ? whenTrue : whenFalse`; both sides are always evaluated. */
export function select<V extends Value>(condition: I32, whenTrue: V, whenFalse: V): V {
  return makeValue(whenTrue.type, (out) => {
    whenTrue.write(out);
    whenFalse.write(out);
    condition.write(out);
    out.u8(0x1b);
  }) as Value as V;
}

/** `condition ? whenTrue : whenFalse`; only one side is evaluated. No labels may be used inside. */
export function choose<V extends Value>(condition: I32, whenTrue: V, whenFalse: V): V {
  return makeValue(whenTrue.type, (out) => {
    condition.write(out);
    out.u8(0x04);
    out.u8(VALUE_TYPE_CODE[whenTrue.type]);
    whenTrue.write(out);
    out.u8(0x05);
    whenFalse.write(out);
    out.u8(0x0b);
  }) as Value as V;
}
