/** What the package's users call: functions of this folder, which look at what they are given. */

import { GodwitError } from '../common/errors.ts';
import { anyText, object, optional, type Schema, wholeBigint, wholeNumber } from '../common/schema.ts';
import * as decoding from './decode.ts';
import * as disassembly from './disassemble.ts';
import * as encoding from './encode.ts';
import type { Instruction } from './instruction.ts';
import * as table from './table/index.ts';

/** Of 32 bits, with a sign or without. */
const BITS = wholeNumber(-(2 ** 31), 2 ** 32 - 1);
const ADDRESS = wholeBigint();
const NAME = anyText();

/** What has other fields beside is as good: `decode` gives operands like that. */
const OPERANDS: Schema<encoding.EncodeOperands> = object(
  {
    rd: optional(wholeNumber(0, 31)),
    rs1: optional(wholeNumber(0, 31)),
    rs2: optional(wholeNumber(0, 31)),
    rs3: optional(wholeNumber(0, 31)),
    rm: optional(wholeNumber(0, 7)),
    immediate: optional(BITS),
    aqrl: optional(wholeNumber(0, 3)),
    fm: optional(wholeNumber(0, 15)),
    predecessor: optional(wholeNumber(0, 15)),
    successor: optional(wholeNumber(0, 15)),
  },
  { open: true },
);

const instructions: ReadonlySet<unknown> = new Set(table.INSTRUCTIONS);
const INSTRUCTION: Schema<Instruction> = {
  json: {},
  parse: (value, name) => {
    if (instructions.has(value)) return value as Instruction;
    throw new GodwitError('usage', `The request makes no sense: "${name}" is none of INSTRUCTIONS.`);
  },
};

/** Length in bytes of the instruction that starts with this halfword. */
export function lengthOf(low: number): 2 | 4 {
  return decoding.lengthOf(BITS.parse(low, 'low'));
}

/** Decodes; `bits` holds a 16-bit instruction in its low half. Undefined: no instruction of this hart. */
export function decode(bits: number): decoding.Decoded | undefined {
  return decoding.decode(BITS.parse(bits, 'bits'));
}

/**
 * Assembly text of the instruction in `bits` (16-bit ones in the low half) at `pc`, without pseudo-instructions, as
 * `objdump -M no-aliases` writes it. What is no instruction of this hart is shown as data.
 */
export function disassemble(bits: number, pc: bigint): string {
  return disassembly.disassemble(BITS.parse(bits, 'bits'), ADDRESS.parse(pc, 'pc'));
}

/** The 32 bits (unsigned) of an instruction; the inverse of `decode` for operands that fit their fields. */
export function encode(instruction: Instruction, operands: encoding.EncodeOperands = {}): number {
  return encoding.encode(INSTRUCTION.parse(instruction, 'instruction'), OPERANDS.parse(operands, 'operands'));
}

/** The same by the instruction's name. */
export function encodeNamed(name: string, operands: encoding.EncodeOperands = {}): number {
  return encode(instructionNamed(name), operands);
}

/** Throws GodwitError('usage') when there is none of this name. */
export function instructionNamed(name: string): Instruction {
  return table.instructionNamed(NAME.parse(name, 'name'));
}
