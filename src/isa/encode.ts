import type { Decoded } from './decode.ts';
import { withImmediate } from './encoding.ts';
import type { Instruction } from './instruction.ts';
import { instructionNamed } from './table/index.ts';

/** Operands to encode. What is left out is 0; fields that the format does not have are ignored. */
export type EncodeOperands = Partial<Pick<Decoded, 'rd' | 'rs1' | 'rs2' | 'rs3' | 'rm' | 'immediate'>> & {
  /** Ordering bits of an atomic: 2 acquire, 1 release. */
  readonly aqrl?: number;
  /** Fields of `fence`. */
  readonly fm?: number;
  readonly predecessor?: number;
  readonly successor?: number;
};

const POSITIONS: Readonly<Record<string, number>> = {
  rd: 7,
  rm: 12,
  rs1: 15,
  uimm5: 15,
  rs2: 20,
  succ: 20,
  pred: 24,
  aqrl: 25,
  rs3: 27,
  fm: 28,
};

/** The 32 bits (unsigned) of an instruction; the inverse of `decode` for operands that fit their fields. */
export function encode(instruction: Instruction, operands: EncodeOperands = {}): number {
  const { match, fields, immediate } = instruction.encoding;
  const values: Readonly<Record<string, number | undefined>> = {
    ...operands,
    uimm5: operands.rs1,
    pred: operands.predecessor,
    succ: operands.successor,
  };
  let bits = match;
  for (const field of fields) {
    const position = POSITIONS[field];
    if (position !== undefined) bits |= (values[field] ?? 0) << position;
  }
  return withImmediate(immediate, bits, operands.immediate ?? 0) >>> 0;
}

/** The same by the instruction's name. */
export function encodeNamed(name: string, operands: EncodeOperands = {}): number {
  return encode(instructionNamed(name), operands);
}
