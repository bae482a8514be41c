import { type I32, type I64, i64, select } from '../../execute/wasm/index.ts';
import { Cause } from '../../hart/constants.ts';
import type { Width } from '../emitter.ts';
import { type Extension, type Instruction, row } from '../instruction.ts';

/** Register-register arithmetic: rd = compute(rs1, rs2). */
export function register(
  name: string,
  funct7: string,
  funct3: string,
  compute: (a: I64, b: I64) => I64,
  extension: Extension = 'I',
  opcode = '0110011',
): Instruction {
  return row(name, `${funct7} rs2 rs1 ${funct3} rd ${opcode}`, { extension, syntax: 'rd,rs1,rs2', pure: true }, (e) =>
    e.setX(compute(e.x('rs1'), e.x('rs2'))),
  );
}

type ComputeWord = (a: I32, b: I32) => I32;

export function onWords(compute: ComputeWord): (a: I64, b: I64) => I64 {
  return (a, b) => compute(a.wrap(), b.wrap()).extendS();
}

/** The same on the low words, result sign-extended. */
export function registerWord(
  name: string,
  funct7: string,
  funct3: string,
  compute: ComputeWord,
  extension: Extension = 'I',
): Instruction {
  return register(name, funct7, funct3, onWords(compute), extension, '0111011');
}

export function immediate(
  name: string,
  funct3: string,
  compute: (a: I64, imm: I64) => I64,
  opcode = '0010011',
): Instruction {
  return row(name, `imm12 rs1 ${funct3} rd ${opcode}`, { extension: 'I', syntax: 'rd,rs1,imm', pure: true }, (e) =>
    e.setX(compute(e.x('rs1'), e.immediate())),
  );
}

/** Shifts by an immediate: 6 bits of amount, or 5 for words. */
export function shift(
  name: string,
  top: string,
  funct3: string,
  compute: (a: I64, amount: I64) => I64,
  extension: Extension = 'I',
  opcode = '0010011',
): Instruction {
  const amount = top.length === 6 ? 'shamt6' : 'shamt5';
  return row(
    name,
    `${top} ${amount} rs1 ${funct3} rd ${opcode}`,
    { extension, syntax: 'rd,rs1,imm', pure: true },
    (e) => e.setX(compute(e.x('rs1'), e.immediate())),
  );
}

function load(name: string, funct3: string, width: Width, signed: boolean): Instruction {
  return row(name, `imm12 rs1 ${funct3} rd 0000011`, { extension: 'I', syntax: 'rd,imm(rs1)' }, (e) =>
    e.setX(e.load(e.x('rs1').add(e.immediate()), width, signed)),
  );
}

function store(name: string, funct3: string, width: Width): Instruction {
  return row(name, `simm7 rs2 rs1 ${funct3} simm5 0100011`, { extension: 'I', syntax: 'rs2,imm(rs1)' }, (e) =>
    e.store(e.x('rs1').add(e.immediate()), width, e.x('rs2')),
  );
}

function branch(name: string, funct3: string, condition: (a: I64, b: I64) => I32): Instruction {
  return row(
    name,
    `bimm7 rs2 rs1 ${funct3} bimm5 1100011`,
    { extension: 'I', syntax: 'rs1,rs2,target', flow: 'branch' },
    (e) => e.branch(condition(e.x('rs1'), e.x('rs2'))),
  );
}

const shiftAmount = (b: I64) => b.and(63);

/** RV64I (unprivileged spec 2 and 4). */
export const INTEGER: readonly Instruction[] = [
  row('lui', 'imm20 rd 0110111', { extension: 'I', syntax: 'rd,imm20', pure: true }, (e) => e.setX(e.immediate())),
  row('auipc', 'imm20 rd 0010111', { extension: 'I', syntax: 'rd,imm20', pure: true }, (e) =>
    e.setX(e.pc().add(e.immediate())),
  ),
  row('jal', 'jimm20 rd 1101111', { extension: 'I', syntax: 'rd,target', flow: 'jump' }, (e) => {
    e.setX(e.nextPc());
    e.jump();
  }),
  row('jalr', 'imm12 rs1 000 rd 1100111', { extension: 'I', syntax: 'rd,imm(rs1)', flow: 'indirect' }, (e) => {
    const target = e.f.let(e.x('rs1').add(e.immediate()));
    e.setX(e.nextPc());
    e.jumpIndirect(target);
  }),
  branch('beq', '000', (a, b) => a.eq(b)),
  branch('bne', '001', (a, b) => a.ne(b)),
  branch('blt', '100', (a, b) => a.ltS(b)),
  branch('bge', '101', (a, b) => a.geS(b)),
  branch('bltu', '110', (a, b) => a.ltU(b)),
  branch('bgeu', '111', (a, b) => a.geU(b)),
  load('lb', '000', 1, true),
  load('lh', '001', 2, true),
  load('lw', '010', 4, true),
  load('ld', '011', 8, false),
  load('lbu', '100', 1, false),
  load('lhu', '101', 2, false),
  load('lwu', '110', 4, false),
  store('sb', '000', 1),
  store('sh', '001', 2),
  store('sw', '010', 4),
  store('sd', '011', 8),
  immediate('addi', '000', (a, imm) => a.add(imm)),
  immediate('slti', '010', (a, imm) => a.ltS(imm).extendU()),
  immediate('sltiu', '011', (a, imm) => a.ltU(imm).extendU()),
  immediate('xori', '100', (a, imm) => a.xor(imm)),
  immediate('ori', '110', (a, imm) => a.or(imm)),
  immediate('andi', '111', (a, imm) => a.and(imm)),
  shift('slli', '000000', '001', (a, n) => a.shl(n)),
  shift('srli', '000000', '101', (a, n) => a.shrU(n)),
  shift('srai', '010000', '101', (a, n) => a.shrS(n)),
  register('add', '0000000', '000', (a, b) => a.add(b)),
  register('sub', '0100000', '000', (a, b) => a.sub(b)),
  register('sll', '0000000', '001', (a, b) => a.shl(shiftAmount(b))),
  register('slt', '0000000', '010', (a, b) => a.ltS(b).extendU()),
  register('sltu', '0000000', '011', (a, b) => a.ltU(b).extendU()),
  register('xor', '0000000', '100', (a, b) => a.xor(b)),
  register('srl', '0000000', '101', (a, b) => a.shrU(shiftAmount(b))),
  register('sra', '0100000', '101', (a, b) => a.shrS(shiftAmount(b))),
  register('or', '0000000', '110', (a, b) => a.or(b)),
  register('and', '0000000', '111', (a, b) => a.and(b)),
  immediate(
    'addiw',
    '000',
    onWords((a, imm) => a.add(imm)),
    '0011011',
  ),
  shift(
    'slliw',
    '0000000',
    '001',
    onWords((a, n) => a.shl(n)),
    'I',
    '0011011',
  ),
  shift(
    'srliw',
    '0000000',
    '101',
    onWords((a, n) => a.shrU(n)),
    'I',
    '0011011',
  ),
  shift(
    'sraiw',
    '0100000',
    '101',
    onWords((a, n) => a.shrS(n)),
    'I',
    '0011011',
  ),
  registerWord('addw', '0000000', '000', (a, b) => a.add(b)),
  registerWord('subw', '0100000', '000', (a, b) => a.sub(b)),
  registerWord('sllw', '0000000', '001', (a, b) => a.shl(b)),
  registerWord('srlw', '0000000', '101', (a, b) => a.shrU(b)),
  registerWord('sraw', '0100000', '101', (a, b) => a.shrS(b)),
  row('fence', 'fm pred succ rs1 000 rd 0001111', { extension: 'I', syntax: 'fence' }, () => {}),
  row('ecall', '00000000000000000000000001110011', { extension: 'I', syntax: 'none', flow: 'system' }, (e) =>
    e.environmentCall(),
  ),
  // tval is the address of the instruction, as Spike does; QEMU writes 0. Both are legal (3.1.16).
  row('ebreak', '00000000000100000000000001110011', { extension: 'I', syntax: 'none', flow: 'system' }, (e) =>
    e.raise(Cause.breakpoint, e.pc()),
  ),
];

/** Conditional zeroing (Zicond). */
export const CONDITIONAL: readonly Instruction[] = [
  register('czero.eqz', '0000111', '101', (a, b) => select(b.eqz(), i64(0), a), 'Zicond'),
  register('czero.nez', '0000111', '111', (a, b) => select(b.eqz(), a, i64(0)), 'Zicond'),
];
