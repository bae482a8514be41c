import type { Emitter } from './emitter.ts';
import { type Encoding, parseEncoding } from './encoding.ts';

/** How the operands are written in assembly. */
export type Syntax =
  | 'none'
  | 'rd,rs1,rs2'
  | 'rd,rs1'
  | 'rd,rs1,imm'
  | 'rd,imm(rs1)'
  | 'rs2,imm(rs1)'
  | 'rs1,rs2,target'
  | 'rd,target'
  | 'rd,imm20'
  | 'rd,csr,rs1'
  | 'rd,csr,uimm'
  | 'rd,rs2,(rs1)'
  | 'rd,(rs1)'
  | '(rs1)'
  | 'rs1,rs2'
  | 'fence'
  | 'fd,fs1,fs2'
  | 'fd,fs1,fs2,rm'
  | 'fd,fs1,fs2,fs3,rm'
  | 'fd,fs1,rm'
  | 'fd,fs1'
  | 'rd,fs1,rm'
  | 'rd,fs1'
  | 'rd,fs1,fs2'
  | 'fd,rs1,rm'
  | 'fd,rs1'
  | 'fd,imm(rs1)'
  | 'fs2,imm(rs1)';

/** The extension of the instruction set that an instruction belongs to; 'System' has those of the privileged spec. */
export type Extension =
  | 'I'
  | 'M'
  | 'A'
  | 'F'
  | 'D'
  | 'Zicsr'
  | 'Zifencei'
  | 'Zba'
  | 'Zbb'
  | 'Zbs'
  | 'Zicond'
  | 'Zicbom'
  | 'Zicboz'
  | 'Svinval'
  | 'System';

/** How control goes on after it. `straight`: to the next instruction unless it raises. */
export type Flow = 'straight' | 'branch' | 'jump' | 'indirect' | 'system';

/** One row of the instruction table. */
export interface Instruction {
  /** As in assembly: "addi", "fadd.d". */
  readonly name: string;
  /** Where it is specified. */
  readonly extension: Extension;
  /** Its bits. */
  readonly encoding: Encoding;
  /** How it is written. */
  readonly syntax: Syntax;
  /** Where execution goes on. */
  readonly flow: Flow;
  /** Its only effect is on rd, so with rd = x0 it does nothing. */
  readonly pure: boolean;
  /** @internal What it does, as code of the interpreter and of translations. */
  readonly emit: (e: Emitter) => void;
}

export interface RowOptions {
  readonly extension: Extension;
  readonly syntax: Syntax;
  readonly flow?: Flow;
  readonly pure?: boolean;
}

export function row(name: string, pattern: string, options: RowOptions, emit: (e: Emitter) => void): Instruction {
  const { extension, syntax, flow = 'straight', pure = false } = options;
  return { name, extension, encoding: parseEncoding(pattern), syntax, flow, pure, emit };
}
