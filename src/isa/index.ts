/** The instruction set: one table, and what follows from it. */
export { COMPRESSED, type Compressed, type Operands } from './compressed.ts';
export { type Decoded, decode, lengthOf } from './decode.ts';
export { disassemble } from './disassemble.ts';
export { type EncodeOperands, encode, encodeNamed } from './encode.ts';
export type { Encoding, ImmediateKind } from './encoding.ts';
export type { Extension, Flow, Instruction, Syntax } from './instruction.ts';
export { F_NAMES, X_NAMES } from './registers.ts';
export { INSTRUCTIONS, instructionNamed } from './table/index.ts';
