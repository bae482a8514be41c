import { type I64, i64, select } from '../../execute/wasm/index.ts';
import { type Extension, type Instruction, row } from '../instruction.ts';
import { onWords, register, registerWord, shift } from './integer.ts';

const LOW = 0xffff_ffffn;

function unary(name: string, top: string, funct3: string, opcode: string, compute: (a: I64) => I64): Instruction {
  return row(name, `${top} rs1 ${funct3} rd ${opcode}`, { extension: 'Zbb', syntax: 'rd,rs1', pure: true }, (e) =>
    e.setX(compute(e.f.let(e.x('rs1')))),
  );
}

/** Shift by `by` and add, with rs1 whole or its low word zero-extended. */
function shiftAdd(by: number, funct3: string): Instruction[] {
  return [
    register(`sh${by}add`, '0010000', funct3, (a, b) => a.shl(by).add(b), 'Zba'),
    register(`sh${by}add.uw`, '0010000', funct3, (a, b) => a.and(LOW).shl(by).add(b), 'Zba', '0111011'),
  ];
}

/** Chosen by comparison: the operands are used twice, so they go into locals. */
function pick(name: string, funct3: string, compute: (a: I64, b: I64) => I64): Instruction {
  return row(
    name,
    `0000101 rs2 rs1 ${funct3} rd 0110011`,
    { extension: 'Zbb', syntax: 'rd,rs1,rs2', pure: true },
    (e) => e.setX(compute(e.f.let(e.x('rs1')), e.f.let(e.x('rs2')))),
  );
}

const single = (amount: I64) => i64(1).shl(amount.and(63));
const BIT: Extension = 'Zbs';

/** Each byte becomes all ones unless it is zero: adding 0x7f carries into the top bit. */
function orCombine(a: I64): I64 {
  const low = a.and(0x7f7f7f7f7f7f7f7fn).add(0x7f7f7f7f7f7f7f7fn);
  return low.or(a).and(-0x7f7f7f7f7f7f7f80n).shrU(7).mul(0xff);
}

/** Zba, Zbb, Zbs (unprivileged spec 29). */
export const BITS: readonly Instruction[] = [
  ...shiftAdd(1, '010'),
  ...shiftAdd(2, '100'),
  ...shiftAdd(3, '110'),
  register('add.uw', '0000100', '000', (a, b) => a.and(LOW).add(b), 'Zba', '0111011'),
  shift('slli.uw', '000010', '001', (a, n) => a.and(LOW).shl(n), 'Zba', '0011011'),
  register('andn', '0100000', '111', (a, b) => a.and(b.not()), 'Zbb'),
  register('orn', '0100000', '110', (a, b) => a.or(b.not()), 'Zbb'),
  register('xnor', '0100000', '100', (a, b) => a.xor(b).not(), 'Zbb'),
  unary('clz', '011000000000', '001', '0010011', (a) => a.clz()),
  unary('ctz', '011000000001', '001', '0010011', (a) => a.ctz()),
  unary('cpop', '011000000010', '001', '0010011', (a) => a.popcnt()),
  unary('clzw', '011000000000', '001', '0011011', (a) => a.wrap().clz().extendU()),
  unary('ctzw', '011000000001', '001', '0011011', (a) => a.wrap().ctz().extendU()),
  unary('cpopw', '011000000010', '001', '0011011', (a) => a.wrap().popcnt().extendU()),
  pick('max', '110', (a, b) => select(a.gtS(b), a, b)),
  pick('maxu', '111', (a, b) => select(a.gtU(b), a, b)),
  pick('min', '100', (a, b) => select(a.ltS(b), a, b)),
  pick('minu', '101', (a, b) => select(a.ltU(b), a, b)),
  unary('sext.b', '011000000100', '001', '0010011', (a) => a.extend8S()),
  unary('sext.h', '011000000101', '001', '0010011', (a) => a.extend16S()),
  unary('zext.h', '000010000000', '100', '0111011', (a) => a.and(0xffff)),
  register('rol', '0110000', '001', (a, b) => a.rotl(b), 'Zbb'),
  register('ror', '0110000', '101', (a, b) => a.rotr(b), 'Zbb'),
  shift('rori', '011000', '101', (a, n) => a.rotr(n), 'Zbb'),
  registerWord('rolw', '0110000', '001', (a, b) => a.rotl(b), 'Zbb'),
  registerWord('rorw', '0110000', '101', (a, b) => a.rotr(b), 'Zbb'),
  shift(
    'roriw',
    '0110000',
    '101',
    onWords((a, n) => a.rotr(n)),
    'Zbb',
    '0011011',
  ),
  unary('orc.b', '001010000111', '101', '0010011', orCombine),
  row('rev8', '011010111000 rs1 101 rd 0010011', { extension: 'Zbb', syntax: 'rd,rs1', pure: true }, (e) => {
    // Bytes within halfwords, halfwords within words, words.
    let value = e.f.let(e.x('rs1'));
    const steps: [bigint, number][] = [
      [0x00ff_00ff_00ff_00ffn, 8],
      [0x0000_ffff_0000_ffffn, 16],
    ];
    for (const [mask, by] of steps) value = e.f.let(value.shrU(by).and(mask).or(value.and(mask).shl(by)));
    e.setX(value.rotl(32));
  }),
  register('bclr', '0100100', '001', (a, b) => a.and(single(b).not()), BIT),
  register('bext', '0100100', '101', (a, b) => a.shrU(b.and(63)).and(1), BIT),
  register('binv', '0110100', '001', (a, b) => a.xor(single(b)), BIT),
  register('bset', '0010100', '001', (a, b) => a.or(single(b)), BIT),
  shift('bclri', '010010', '001', (a, n) => a.and(single(n).not()), BIT),
  shift('bexti', '010010', '101', (a, n) => a.shrU(n).and(1), BIT),
  shift('binvi', '011010', '001', (a, n) => a.xor(single(n)), BIT),
  shift('bseti', '001010', '001', (a, n) => a.or(single(n)), BIT),
];
