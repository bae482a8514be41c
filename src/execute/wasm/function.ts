import { violation } from '../../common/invariant.ts';
import { ByteWriter } from './bytes.ts';
import {
  F32,
  F64,
  I32,
  I64,
  i32,
  i64,
  makeValue,
  VALUE_TYPE_CODE,
  type Value,
  type ValueOf,
  type ValueType,
} from './value.ts';

/** A variable: a value that can be set. */
export interface Local<T extends ValueType> {
  readonly type: T;
  readonly index: number;
  /** Reads it where the value is consumed, not where `get` is called. */
  readonly get: ValueOf[T];
}

/** Where a branch can go: the end of a block, the start of a loop. */
export interface Label {
  readonly depth: number;
}

/** Something that can be called; the index is known when the module is written. */
export interface Callable {
  readonly name: string;
  readonly index: number;
  readonly parameters: readonly ValueType[];
  readonly result: ValueType | undefined;
}

/** The type of functions in the table. */
export interface FunctionType<T extends ValueType> {
  readonly index: number;
  readonly result: T;
}

/**
 * Writes the body of one function, statement by statement. Values are written where a statement consumes them.
 * Temporaries taken with `let` inside a `scope` are used again after it, which keeps the number of locals of large
 * functions small.
 */
export class FunctionBuilder {
  readonly body = new ByteWriter();
  private readonly localTypes: ValueType[] = [];
  private readonly parameterCount: number;
  private readonly parameterTypes: readonly ValueType[];
  private readonly free: Record<ValueType, number[]> = { i32: [], i64: [], f32: [], f64: [] };
  private scopeTemporaries: { type: ValueType; index: number }[] = [];
  private depth = 0;

  constructor(parameters: readonly ValueType[]) {
    this.parameterTypes = parameters;
    this.parameterCount = parameters.length;
  }

  private variable<T extends ValueType>(type: T, index: number): Local<T> {
    const get = makeValue(type, (out) => {
      out.u8(0x20);
      out.u32(index);
    });
    return { type, index, get };
  }

  parameter<T extends ValueType>(position: number, type: T): Local<T> {
    if (this.parameterTypes[position] !== type) throw violation(`parameter ${position} is of type ${type}`);
    return this.variable(type, position);
  }

  /** A variable for the whole function; 0 at first. */
  local<T extends ValueType>(type: T): Local<T> {
    this.localTypes.push(type);
    return this.variable(type, this.parameterCount + this.localTypes.length - 1);
  }

  /** A variable that `scope` takes back. Its first content is undefined. */
  temporary<T extends ValueType>(type: T): Local<T> {
    const index = this.free[type].pop();
    const local = index === undefined ? this.local(type) : this.variable(type, index);
    this.scopeTemporaries.push({ type, index: local.index });
    return local;
  }

  /** Computes a value now and keeps it, for use more than once. */
  let<V extends Value>(value: V): V {
    const local = this.temporary(value.type);
    this.set(local, value as never);
    return local.get as Value as V;
  }

  /** Temporaries taken in `build` are free again after it. */
  scope(build: () => void): void {
    const outer = this.scopeTemporaries;
    this.scopeTemporaries = [];
    build();
    for (const { type, index } of this.scopeTemporaries) this.free[type].push(index);
    this.scopeTemporaries = outer;
  }

  set<T extends ValueType>(local: Local<T>, value: ValueOf[T]): void {
    value.write(this.body);
    this.body.u8(0x21);
    this.body.u32(local.index);
  }

  private open(code: number, build: (label: Label) => void): void {
    this.body.u8(code);
    this.body.u8(0x40);
    this.depth++;
    build({ depth: this.depth });
    this.depth--;
    this.body.u8(0x0b);
  }

  /** A branch to the label leaves the block. */
  block(build: (end: Label) => void): void {
    this.open(0x02, build);
  }

  /** A branch to the label starts the loop again; falling out of it ends it. */
  loop(build: (again: Label) => void): void {
    this.open(0x03, build);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    condition.write(this.body);
    this.body.u8(0x04);
    this.body.u8(0x40);
    this.depth++;
    then();
    if (otherwise) {
      this.body.u8(0x05);
      otherwise();
    }
    this.depth--;
    this.body.u8(0x0b);
  }

  branch(label: Label): void {
    this.body.u8(0x0c);
    this.body.u32(this.depth - label.depth);
  }

  branchIf(label: Label, condition: I32): void {
    condition.write(this.body);
    this.body.u8(0x0d);
    this.body.u32(this.depth - label.depth);
  }

  /** Branches to `labels[index]`, or to `otherwise` past their end. */
  branchTable(index: I32, labels: readonly Label[], otherwise: Label): void {
    index.write(this.body);
    this.body.u8(0x0e);
    this.body.u32(labels.length);
    for (const label of labels) this.body.u32(this.depth - label.depth);
    this.body.u32(this.depth - otherwise.depth);
  }

  /** Runs `cases[index]`, or `otherwise`; each case falls to the end of the switch unless it branches away. */
  switch(index: I32, cases: readonly (() => void)[], otherwise: () => void): void {
    this.block((end) => {
      const labels: Label[] = [];
      const nest = (rest: number): void => {
        if (rest < 0) {
          this.block((fallback) => this.branchTable(index, labels, fallback));
          otherwise();
          this.branch(end);
          return;
        }
        this.block((label) => {
          labels[rest] = label;
          nest(rest - 1);
        });
        this.scope(cases[rest]!);
        if (rest !== cases.length - 1) this.branch(end);
      };
      nest(cases.length - 1);
    });
  }

  return(value?: Value): void {
    value?.write(this.body);
    this.body.u8(0x0f);
  }

  /** The value is left as the function's result by falling off its end. */
  result(value: Value): void {
    value.write(this.body);
  }

  unreachable(): void {
    this.body.u8(0x00);
  }

  private writeCall(callee: Callable, args: readonly Value[], out: ByteWriter): void {
    if (args.length !== callee.parameters.length || args.some((arg, i) => arg.type !== callee.parameters[i])) {
      throw violation(`arguments match ${callee.name}(${callee.parameters.join(', ')})`);
    }
    for (const arg of args) arg.write(out);
    out.u8(0x10);
    out.u32(callee.index);
  }

  /** A call as a value. It happens where the value is consumed. */
  call<T extends ValueType>(callee: Callable & { readonly result: T }, ...args: Value[]): ValueOf[T] {
    return makeValue(callee.result, (out) => this.writeCall(callee, args, out));
  }

  /** A call as a statement; a result is dropped. */
  do(callee: Callable, ...args: Value[]): void {
    this.writeCall(callee, args, this.body);
    if (callee.result) this.body.u8(0x1a);
  }

  /** A call through the table; `type` comes from `ModuleBuilder.type`. */
  callIndirect<T extends ValueType>(type: FunctionType<T>, index: I32, ...args: Value[]): ValueOf[T] {
    return makeValue(type.result, (out) => {
      for (const arg of args) arg.write(out);
      index.write(out);
      out.u8(0x11);
      out.u32(type.index);
      out.u32(0);
    });
  }

  /** A tail call: this function's frame is gone when the other one starts. */
  returnCall(callee: Callable, ...args: Value[]): void {
    for (const arg of args) arg.write(this.body);
    this.body.u8(0x12);
    this.body.u32(callee.index);
  }

  /** A tail call through the table: this function's frame is gone when it starts. */
  returnCallIndirect(type: FunctionType<ValueType>, index: I32, ...args: Value[]): void {
    for (const arg of args) arg.write(this.body);
    index.write(this.body);
    this.body.u8(0x13);
    this.body.u32(type.index);
    this.body.u32(0);
  }

  drop(value: Value): void {
    value.write(this.body);
    this.body.u8(0x1a);
  }

  private writeStore(code: number, address: I32, value: Value, offset: number): void {
    address.write(this.body);
    value.write(this.body);
    this.body.u8(code);
    this.body.u8(0);
    this.body.u32(offset);
  }

  /** Stores a value in its own size. */
  store(address: I32, value: Value, offset = 0): void {
    this.writeStore({ i32: 0x36, i64: 0x37, f32: 0x38, f64: 0x39 }[value.type], address, value, offset);
  }

  store8(address: I32, value: I32 | number, offset = 0): void {
    this.writeStore(0x3a, address, i32(value), offset);
  }

  store16(address: I32, value: I32 | number, offset = 0): void {
    this.writeStore(0x3b, address, i32(value), offset);
  }

  /** Stores the low 1, 2, 4 or 8 bytes of a 64-bit value. */
  store64Of(width: 1 | 2 | 4 | 8, address: I32, value: I64 | bigint | number, offset = 0): void {
    this.writeStore({ 1: 0x3c, 2: 0x3d, 4: 0x3e, 8: 0x37 }[width], address, i64(value), offset);
  }

  memoryFill(address: I32, byte: I32, length: I32): void {
    for (const value of [address, byte, length]) value.write(this.body);
    this.body.bytes([0xfc, 0x0b, 0x00]);
  }

  memoryCopy(target: I32, source: I32, length: I32): void {
    for (const value of [target, source, length]) value.write(this.body);
    this.body.bytes([0xfc, 0x0a, 0x00, 0x00]);
  }

  /** The function's entry in the code section: locals, body, end. */
  finish(): ByteWriter {
    const code = new ByteWriter();
    code.u32(this.localTypes.length);
    for (const type of this.localTypes) {
      code.u32(1);
      code.u8(VALUE_TYPE_CODE[type]);
    }
    code.append(this.body);
    code.u8(0x0b);
    return code;
  }
}

export { F32, F64, I32, I64 };
