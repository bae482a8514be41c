/** The instruction set: one table, and what follows from it. */
export { decode, disassemble, encode, encodeNamed, instructionNamed, lengthOf } from './checked.ts';
export { COMPRESSED, type Compressed, type Operands } from './compressed.ts';
export type { Decoded } from './decode.ts';
export type { EncodeOperands } from './encode.ts';
export type { Encoding, ImmediateKind } from './encoding.ts';
export type { Extension, Flow, Instruction, Syntax } from './instruction.ts';
export { F_NAMES, X_NAMES } from './registers.ts';
export { INSTRUCTIONS } from './table/index.ts';
