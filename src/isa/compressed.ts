import { invariant } from '../common/invariant.ts';

/** C: 16-bit instructions, each standing for a 32-bit one (unprivileged spec 27). */

/** Operands of the 32-bit instruction that a compressed one stands for. Those that it does not have are 0. */
export interface Operands {
  /** Number of the destination register, 0 to 31. */
  readonly rd: number;
  /** Number of the first source register. */
  readonly rs1: number;
  /** Number of the second source register. */
  readonly rs2: number;
  /** Sign-extended where it is signed. */
  readonly immediate: number;
}

/** One row of the table of compressed instructions. */
export interface Compressed {
  /** Such as "c.addi". */
  readonly name: string;
  /** Bits of the halfword that are fixed. */
  readonly mask: number;
  /** Their values. */
  readonly match: number;
  /** Name of the 32-bit instruction. */
  readonly target: string;
  /** Its operands, or undefined where the encoding is reserved. */
  readonly expand: (bits: number) => Operands | undefined;
}

/** Bits `high` to `low` of a halfword, placed at `at`. */
function bits(value: number, high: number, low: number, at = 0): number {
  return ((value >>> low) & ((1 << (high - low + 1)) - 1)) << at;
}

function signed(value: number, width: number): number {
  return (value << (32 - width)) >> (32 - width);
}

const full = (value: number, low: number): number => bits(value, low + 4, low);
/** The eight registers x8 to x15 of three-bit fields. */
const popular = (value: number, low: number): number => 8 + bits(value, low + 2, low);

const imm6 = (v: number) => signed(bits(v, 12, 12, 5) | bits(v, 6, 2), 6);
const shamt = (v: number) => bits(v, 12, 12, 5) | bits(v, 6, 2);
const wordOffset = (v: number) => bits(v, 12, 10, 3) | bits(v, 6, 6, 2) | bits(v, 5, 5, 6);
const doubleOffset = (v: number) => bits(v, 12, 10, 3) | bits(v, 6, 5, 6);
const stackWordLoad = (v: number) => bits(v, 12, 12, 5) | bits(v, 6, 4, 2) | bits(v, 3, 2, 6);
const stackDoubleLoad = (v: number) => bits(v, 12, 12, 5) | bits(v, 6, 5, 3) | bits(v, 4, 2, 6);
const stackWordStore = (v: number) => bits(v, 12, 9, 2) | bits(v, 8, 7, 6);
const stackDoubleStore = (v: number) => bits(v, 12, 10, 3) | bits(v, 9, 7, 6);
const branchOffset = (v: number) =>
  signed(bits(v, 12, 12, 8) | bits(v, 11, 10, 3) | bits(v, 6, 5, 6) | bits(v, 4, 3, 1) | bits(v, 2, 2, 5), 9);
const jumpOffset = (v: number) =>
  signed(
    bits(v, 12, 12, 11) |
      bits(v, 11, 11, 4) |
      bits(v, 10, 9, 8) |
      bits(v, 8, 8, 10) |
      bits(v, 7, 7, 6) |
      bits(v, 6, 6, 7) |
      bits(v, 5, 3, 1) |
      bits(v, 2, 2, 5),
    12,
  );
const addi4spn = (v: number) => bits(v, 12, 11, 4) | bits(v, 10, 7, 6) | bits(v, 6, 6, 2) | bits(v, 5, 5, 3);
const addi16sp = (v: number) =>
  signed(bits(v, 12, 12, 9) | bits(v, 6, 6, 4) | bits(v, 5, 5, 6) | bits(v, 4, 3, 7) | bits(v, 2, 2, 5), 10);

function operands(rd: number, rs1: number, rs2: number, immediate: number): Operands {
  return { rd, rs1, rs2, immediate };
}

/** `pattern`: literal bits and dots, most significant first. */
function row(name: string, pattern: string, target: string, expand: Compressed['expand']): Compressed {
  const digits = pattern.replaceAll(' ', '');
  invariant(digits.length === 16, `a compressed instruction has 16 bits: ${name}, ${pattern}`);
  const mask = Number.parseInt(digits.replaceAll('0', '1').replaceAll('.', '0'), 2);
  return { name, mask, match: Number.parseInt(digits.replaceAll('.', '0'), 2), target, expand };
}

const load = (name: string, funct3: string, target: string, offset: (v: number) => number) =>
  row(name, `${funct3} ... ... .. ... 00`, target, (v) => operands(popular(v, 2), popular(v, 7), 0, offset(v)));
const store = (name: string, funct3: string, target: string, offset: (v: number) => number) =>
  row(name, `${funct3} ... ... .. ... 00`, target, (v) => operands(0, popular(v, 7), popular(v, 2), offset(v)));
const stackLoad = (name: string, funct3: string, target: string, offset: (v: number) => number, anyRegister = false) =>
  row(name, `${funct3} . ..... ..... 10`, target, (v) =>
    full(v, 7) === 0 && !anyRegister ? undefined : operands(full(v, 7), 2, 0, offset(v)),
  );
const stackStore = (name: string, funct3: string, target: string, offset: (v: number) => number) =>
  row(name, `${funct3} ...... ..... 10`, target, (v) => operands(0, 2, full(v, 2), offset(v)));
const arithmetic = (name: string, top: string, funct2: string, target: string) =>
  row(name, `100 ${top} 11 ... ${funct2} ... 01`, target, (v) =>
    operands(popular(v, 7), popular(v, 7), popular(v, 2), 0),
  );

/** First match counts: special cases come before the general ones. */
export const COMPRESSED: readonly Compressed[] = [
  row('c.addi4spn', '000 ........ ... 00', 'addi', (v) =>
    addi4spn(v) === 0 ? undefined : operands(popular(v, 2), 2, 0, addi4spn(v)),
  ),
  load('c.fld', '001', 'fld', doubleOffset),
  load('c.lw', '010', 'lw', wordOffset),
  load('c.ld', '011', 'ld', doubleOffset),
  store('c.fsd', '101', 'fsd', doubleOffset),
  store('c.sw', '110', 'sw', wordOffset),
  store('c.sd', '111', 'sd', doubleOffset),
  row('c.addi', '000 . ..... ..... 01', 'addi', (v) => operands(full(v, 7), full(v, 7), 0, imm6(v))),
  row('c.addiw', '001 . ..... ..... 01', 'addiw', (v) =>
    full(v, 7) === 0 ? undefined : operands(full(v, 7), full(v, 7), 0, imm6(v)),
  ),
  row('c.li', '010 . ..... ..... 01', 'addi', (v) => operands(full(v, 7), 0, 0, imm6(v))),
  row('c.addi16sp', '011 . 00010 ..... 01', 'addi', (v) =>
    addi16sp(v) === 0 ? undefined : operands(2, 2, 0, addi16sp(v)),
  ),
  row('c.lui', '011 . ..... ..... 01', 'lui', (v) =>
    imm6(v) === 0 ? undefined : operands(full(v, 7), 0, 0, imm6(v) << 12),
  ),
  row('c.srli', '100 . 00 ... ..... 01', 'srli', (v) => operands(popular(v, 7), popular(v, 7), 0, shamt(v))),
  row('c.srai', '100 . 01 ... ..... 01', 'srai', (v) => operands(popular(v, 7), popular(v, 7), 0, shamt(v))),
  row('c.andi', '100 . 10 ... ..... 01', 'andi', (v) => operands(popular(v, 7), popular(v, 7), 0, imm6(v))),
  arithmetic('c.sub', '0', '00', 'sub'),
  arithmetic('c.xor', '0', '01', 'xor'),
  arithmetic('c.or', '0', '10', 'or'),
  arithmetic('c.and', '0', '11', 'and'),
  arithmetic('c.subw', '1', '00', 'subw'),
  arithmetic('c.addw', '1', '01', 'addw'),
  row('c.j', '101 ........... 01', 'jal', (v) => operands(0, 0, 0, jumpOffset(v))),
  row('c.beqz', '110 ... ... ..... 01', 'beq', (v) => operands(0, popular(v, 7), 0, branchOffset(v))),
  row('c.bnez', '111 ... ... ..... 01', 'bne', (v) => operands(0, popular(v, 7), 0, branchOffset(v))),
  row('c.slli', '000 . ..... ..... 10', 'slli', (v) => operands(full(v, 7), full(v, 7), 0, shamt(v))),
  stackLoad('c.fldsp', '001', 'fld', stackDoubleLoad, true),
  stackLoad('c.lwsp', '010', 'lw', stackWordLoad),
  stackLoad('c.ldsp', '011', 'ld', stackDoubleLoad),
  row('c.ebreak', '100 1 00000 00000 10', 'ebreak', () => operands(0, 0, 0, 0)),
  row('c.jr', '100 0 ..... 00000 10', 'jalr', (v) => (full(v, 7) === 0 ? undefined : operands(0, full(v, 7), 0, 0))),
  row('c.mv', '100 0 ..... ..... 10', 'add', (v) => operands(full(v, 7), 0, full(v, 2), 0)),
  row('c.jalr', '100 1 ..... 00000 10', 'jalr', (v) => operands(1, full(v, 7), 0, 0)),
  row('c.add', '100 1 ..... ..... 10', 'add', (v) => operands(full(v, 7), full(v, 7), full(v, 2), 0)),
  stackStore('c.fsdsp', '101', 'fsd', stackDoubleStore),
  stackStore('c.swsp', '110', 'sw', stackWordStore),
  stackStore('c.sdsp', '111', 'sd', stackDoubleStore),
];

/** 32-bit instructions that have a compressed form. */
export const COMPRESSED_TARGETS: ReadonlySet<string> = new Set(COMPRESSED.map(({ target }) => target));
