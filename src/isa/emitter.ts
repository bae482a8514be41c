import type { IntegerName } from '../execute/float/index.ts';
import type { Declared, FunctionBuilder, I32, I64, ValueType } from '../execute/wasm/index.ts';
import type { HartLibrary } from '../hart/library/index.ts';

export type Width = 1 | 2 | 4 | 8;
export type Source = 'rs1' | 'rs2';
export type FloatSource = 'rs1' | 'rs2' | 'rs3';
export type Function<P extends readonly ValueType[], R extends ValueType | undefined> = Declared<P, R>;

export type FloatFormat = 'f32' | 'f64';
/** Bit patterns: I32 for binary32, I64 for binary64. */
export type FloatBits = I32 | I64;

/** rd = CSR; CSR = combine(CSR, source). Without `always` it writes only when the rs1 field is not 0. */
export interface CsrAccess {
  readonly always: boolean;
  readonly source: () => I64;
  readonly combine: (old: I64, source: I64) => I64;
}

/** Floating-point operations on bit patterns, exact and with flags; `rm` is a rounding mode 0 to 4 (execute/float). */
export interface FloatUnit {
  arithmetic(format: FloatFormat, name: 'add' | 'sub' | 'mul' | 'div', a: FloatBits, b: FloatBits, rm: I32): FloatBits;
  squareRoot(format: FloatFormat, a: FloatBits, rm: I32): FloatBits;
  /** a * b + c with one rounding. */
  fused(format: FloatFormat, a: FloatBits, b: FloatBits, c: FloatBits, rm: I32): FloatBits;
  extreme(format: FloatFormat, name: 'min' | 'max', a: FloatBits, b: FloatBits): FloatBits;
  /** 0 or 1. */
  compare(format: FloatFormat, name: 'eq' | 'lt' | 'le', a: FloatBits, b: FloatBits): I64;
  classify(format: FloatFormat, a: FloatBits): I64;
  toInteger(format: FloatFormat, integer: IntegerName, a: FloatBits, rm: I32): I64;
  fromInteger(format: FloatFormat, integer: IntegerName, x: I64, rm: I32): FloatBits;
  narrow(a: I64, rm: I32): I32;
  widen(a: I32): I64;
}

/**
 * What an instruction's semantics are written against. The interpreter gives operands that are read from the decoded
 * slot, a translator gives constants and registers in locals; the semantics are the same code. Values are expression
 * trees: use `f.let` for one that is used twice. Operands must be read before the destination is written.
 */
export interface Emitter {
  readonly f: FunctionBuilder;
  readonly hart: I32;
  /** Functions for what is rare. Only instructions with the flow `system` may use it: they are never translated. */
  readonly library: HartLibrary;
  readonly float: FloatUnit;

  x(source: Source): I64;
  setX(value: I64): void;
  /** Binary64 bits. */
  d(source: FloatSource): I64;
  setD(bits: I64): void;
  /** Binary32 bits; a value that is not NaN-boxed reads as the canonical NaN (unprivileged spec 21.2). */
  s(source: FloatSource): I32;
  setS(bits: I32): void;
  /** The 64 bits of a floating-point register, boxed or not. */
  rawFloat(source: FloatSource): I64;

  /** The immediate, sign-extended to 64 bits. */
  immediate(): I64;
  immediate32(): I32;
  /** The rs1 field as a number: the immediate of csrrwi and its like. */
  rs1Field(): I32;
  /** Nonzero when the rs1 / rs2 field is not x0. */
  rs1Given(): I32;
  rs2Given(): I32;
  pc(): I64;
  nextPc(): I64;

  /** Floating point is on, or an illegal-instruction exception is raised. */
  requireFloat(): void;
  /** The rounding mode 0 to 4 that applies, or an illegal-instruction exception. */
  roundingMode(): I32;

  /** A load, zero- or sign-extended to 64 bits; a fault leaves the instruction. */
  load(address: I64, width: Width, signed: boolean): I64;
  store(address: I64, width: Width, value: I64): void;
  /** Host address for an atomic access; a fault leaves the instruction. `access`: 1 load, 2 store. */
  atomic(address: I64, width: 4 | 8, access: 1 | 2): I32;
  /** Physical address that stands for a reservation, after `atomic` allowed the same access. */
  physicalAddress(address: I64, width: 4 | 8, access: 1 | 2): I64;

  /** To pc + immediate if the condition holds, else to the next instruction. */
  branch(condition: I32): void;
  /** To pc + immediate. */
  jump(): void;
  /** To an address whose lowest bit is dropped; always counted. */
  jumpIndirect(target: I64): void;

  /** A read and write of the CSR that the immediate names; ends the instruction. */
  csr(access: CsrAccess): void;

  /** Leave with an exception. */
  raise(cause: number, value: I64): void;
  /** Leave with the exception that a library call raised. */
  raisePending(): void;
  illegal(): void;
  illegalIf(condition: I32): void;
  /** Goes on at the next instruction after looking for interrupts and finding the code page again. */
  settle(): void;
  /** A trap return: goes on at the hart's PC, as a counted transfer. */
  resume(): void;
  /** Goes on after the instruction once an interrupt is pending. */
  wait(): void;
  /** Environment call: leaves the run loop for the built-in SBI, or is an exception. */
  environmentCall(): void;
}
