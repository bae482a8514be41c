import { present } from '../common/invariant.ts';
import { CSR_NAMES } from '../hart/csr.ts';
import { type Decoded, decode, lengthOf } from './decode.ts';
import type { Syntax } from './instruction.ts';
import { F_NAMES, X_NAMES } from './registers.ts';

const ROUNDING = ['rne', 'rtz', 'rdn', 'rup', 'rmm', '', '', 'dyn'];
const DYNAMIC = 7;
/** Conversions that are always exact: assemblers write no rounding mode and encode 0. */
const EXACT: ReadonlySet<string> = new Set(['fcvt.d.s', 'fcvt.d.w', 'fcvt.d.wu']);
const FENCE_TSO = 0x8330000f;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const address = (value: bigint): string => hex(BigInt.asUintN(64, value));

/** A part of an operand list: text, or what is put there. */
type Part = (d: Decoded, bits: number, pc: bigint) => string;

const PARTS: Readonly<Record<string, Part>> = {
  rd: ({ rd }) => X_NAMES[rd]!,
  rs1: ({ rs1 }) => X_NAMES[rs1]!,
  rs2: ({ rs2 }) => X_NAMES[rs2]!,
  fd: ({ rd }) => F_NAMES[rd]!,
  fs1: ({ rs1 }) => F_NAMES[rs1]!,
  fs2: ({ rs2 }) => F_NAMES[rs2]!,
  fs3: ({ rs3 }) => F_NAMES[rs3]!,
  imm: (d) => (isShift(d) ? hex(d.immediate) : String(d.immediate)),
  imm20: ({ immediate }) => hex((immediate >>> 12) & 0xf_ffff),
  target: ({ immediate }, _, pc) => address(pc + BigInt(immediate)),
  csr: ({ immediate }) => CSR_NAMES.get(immediate) ?? hex(immediate),
  uimm: ({ rs1 }) => String(rs1),
};

function isShift({ instruction, compressed }: Decoded): boolean {
  const kind = instruction.encoding.immediate;
  return kind === 'shamt5' || kind === 'shamt6' || compressed === 'c.slli';
}

function partNamed(name: string): Part {
  return present(PARTS[name], `a syntax consists of known parts: ${name}`);
}

/** Fills names of parts in a syntax; a rounding mode at the end is written only when it is not the usual one. */
function operands(syntax: string, d: Decoded, bits: number, pc: bigint): string {
  const withoutRounding = syntax.replace(/,rm$/, '');
  const text = withoutRounding.replaceAll(/[a-z]+\d*/g, (name) => partNamed(name)(d, bits, pc));
  if (withoutRounding === syntax || d.rm === usualRounding(d)) return text;
  return `${text},${ROUNDING[d.rm]}`;
}

function usualRounding({ instruction }: Decoded): number {
  return EXACT.has(instruction.name) ? 0 : DYNAMIC;
}

/** Sets of `fence`: some of input, output, read, write. */
function fenceSet(value: number): string {
  return [...'iorw'].filter((_, i) => value & (8 >> i)).join('') || 'unknown';
}

function ordering(bits: number): string {
  return ['', '.rl', '.aq', '.aqrl'][(bits >>> 25) & 3]!;
}

function syntaxOf({ instruction }: Decoded): Syntax {
  return instruction.syntax;
}

/** How the operands of compressed instructions are written, where it is not as in the instruction they stand for. */
const COMPRESSED_SYNTAX: Readonly<Record<string, string>> = {
  'c.addi4spn': 'rd,rs1,imm',
  'c.addi': 'rd,imm',
  'c.addiw': 'rd,imm',
  'c.li': 'rd,imm',
  'c.addi16sp': 'rd,imm',
  'c.lui': 'rd,imm20',
  'c.srli': 'rd,imm',
  'c.srai': 'rd,imm',
  'c.andi': 'rd,imm',
  'c.slli': 'rd,imm',
  'c.j': 'target',
  'c.beqz': 'rs1,target',
  'c.bnez': 'rs1,target',
  'c.jr': 'rs1',
  'c.jalr': 'rs1',
  'c.mv': 'rd,rs2',
};
/** Those of two registers, the first of which is also the destination. */
const TWO_REGISTERS: ReadonlySet<string> = new Set(
  ['sub', 'xor', 'or', 'and', 'subw', 'addw', 'add'].map((n) => `c.${n}`),
);

function disassembleCompressed(d: Decoded, name: string, bits: number, pc: bigint): string {
  const syntax = TWO_REGISTERS.has(name) ? 'rd,rs2' : (COMPRESSED_SYNTAX[name] ?? syntaxOf(d));
  return syntax === 'none' ? name : `${name} ${operands(syntax, d, bits, pc)}`;
}

/**
 * Assembly text of the instruction in `bits` (16-bit ones in the low half) at `pc`, without pseudo-instructions, as
 * `objdump -M no-aliases` writes it. What is no instruction of this hart is shown as data.
 */
export function disassemble(bits: number, pc: bigint): string {
  const length = lengthOf(bits);
  const d = decode(bits);
  if (!d) return length === 2 ? `.2byte ${hex(bits & 0xffff)}` : `.4byte ${hex(bits >>> 0)}`;
  if (d.compressed) return disassembleCompressed(d, d.compressed, bits, pc);
  const { name, extension } = d.instruction;
  if (name === 'fence') {
    if (bits >>> 0 === FENCE_TSO) return 'fence.tso';
    return `fence ${fenceSet((bits >>> 24) & 15)},${fenceSet((bits >>> 20) & 15)}`;
  }
  const full = extension === 'A' ? name + ordering(bits) : name;
  const syntax = syntaxOf(d);
  return syntax === 'none' ? full : `${full} ${operands(syntax, d, bits, pc)}`;
}
