import { COMPRESSED, type Compressed } from './compressed.ts';
import { immediateOf } from './encoding.ts';
import type { Instruction } from './instruction.ts';
import { INSTRUCTIONS, instructionNamed } from './table/index.ts';

/** One instruction with its operands. Fields that the format does not have are 0. */
export interface Decoded {
  /** Its row in the table. */
  readonly instruction: Instruction;
  /** In bytes. */
  readonly length: 2 | 4;
  /** Number of the destination register, 0 to 31. */
  readonly rd: number;
  /** Number of the first source register; of CSR instructions with an immediate, that. */
  readonly rs1: number;
  /** Number of the second source register. */
  readonly rs2: number;
  /** Number of the third source register, of fused multiplications. */
  readonly rs3: number;
  /** The rounding-mode field: 0 to 4, or 7 for the dynamic one. */
  readonly rm: number;
  /** Sign-extended to 32 bits; a shift's amount, or the number of a CSR. */
  readonly immediate: number;
  /** The compressed instruction's name, where it is one. */
  readonly compressed?: string;
}

const byOpcode: (readonly Instruction[])[] = Array.from({ length: 128 }, (_, opcode) =>
  INSTRUCTIONS.filter(({ encoding }) => (encoding.match & 0x7f) === opcode),
);

const byHead: (readonly Compressed[])[] = Array.from({ length: 32 }, (_, head) =>
  COMPRESSED.filter(({ match }) => headOf(match) === head),
);

/** funct3 and the two lowest bits: every compressed row fixes them. */
function headOf(bits: number): number {
  return ((bits >>> 13) << 2) | (bits & 3);
}

const compressedTargets = new Map(COMPRESSED.map(({ target }) => [target, instructionNamed(target)]));

/** Length in bytes of the instruction that starts with this halfword. */
export function lengthOf(low: number): 2 | 4 {
  return (low & 3) === 3 ? 4 : 2;
}

function decodeCompressed(bits: number): Decoded | undefined {
  const found = byHead[headOf(bits)]!.find(({ mask, match }) => (bits & mask) === match);
  const operands = found?.expand(bits);
  if (!found || !operands) return undefined;
  const instruction = compressedTargets.get(found.target)!;
  return { instruction, length: 2, ...operands, rs3: 0, rm: 0, compressed: found.name };
}

/** What was decoded last, by a hash of the bits: programs repeat few instructions. */
const KEPT_BITS = 12;
const kept: { readonly bits: number; readonly decoded: Decoded | undefined }[] = new Array(1 << KEPT_BITS);

/** Decodes; `bits` holds a 16-bit instruction in its low half. Undefined: no instruction of this hart. */
export function decode(bits: number): Decoded | undefined {
  const key = lengthOf(bits) === 2 ? bits & 0xffff : bits | 0;
  // Multiplicative hashing, with 2^32 / the golden ratio.
  const entry = Math.imul(key, 0x9e37_79b1) >>> (32 - KEPT_BITS);
  const known = kept[entry];
  if (known?.bits === key) return known.decoded;
  const decoded = decodeOnce(key);
  kept[entry] = { bits: key, decoded };
  return decoded;
}

/** Decodes, for those who keep what they need of it themselves. */
export function decodeOnce(bits: number): Decoded | undefined {
  if (lengthOf(bits) === 2) return decodeCompressed(bits & 0xffff);
  const instruction = byOpcode[bits & 0x7f]!.find(({ encoding }) => (bits & encoding.mask) >>> 0 === encoding.match);
  if (!instruction) return undefined;
  const { fields, immediate } = instruction.encoding;
  const rm = fields.has('rm') ? (bits >>> 12) & 7 : 0;
  if (rm === 5 || rm === 6) return undefined;
  return {
    instruction,
    length: 4,
    rd: fields.has('rd') ? (bits >>> 7) & 31 : 0,
    rs1: fields.has('rs1') || fields.has('uimm5') ? (bits >>> 15) & 31 : 0,
    rs2: fields.has('rs2') ? (bits >>> 20) & 31 : 0,
    rs3: fields.has('rs3') ? bits >>> 27 : 0,
    rm,
    immediate: immediateOf(immediate, bits),
  };
}
