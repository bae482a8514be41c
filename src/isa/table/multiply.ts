import { choose, type I64, i64 } from '../../execute/wasm/index.ts';
import type { Emitter } from '../emitter.ts';
import { type Instruction, row } from '../instruction.ts';
import { register, registerWord } from './integer.ts';

const LOW = 0xffff_ffffn;

/** High 64 bits of the unsigned product, from four products of halves. */
function highUnsigned(e: Emitter, a: I64, b: I64): I64 {
  const { f } = e;
  const aLow = f.let(a.and(LOW));
  const aHigh = f.let(a.shrU(32));
  const bLow = f.let(b.and(LOW));
  const bHigh = f.let(b.shrU(32));
  const middle = f.let(aHigh.mul(bLow).add(aLow.mul(bLow).shrU(32)));
  const cross = f.let(aLow.mul(bHigh).add(middle.and(LOW)));
  return aHigh.mul(bHigh).add(middle.shrU(32)).add(cross.shrU(32));
}

function multiplyHigh(name: string, funct3: string, correct: (high: I64, a: I64, b: I64) => I64): Instruction {
  return row(
    name,
    `0000001 rs2 rs1 ${funct3} rd 0110011`,
    { extension: 'M', syntax: 'rd,rs1,rs2', pure: true },
    (e) => {
      const a = e.f.let(e.x('rs1'));
      const b = e.f.let(e.x('rs2'));
      e.setX(correct(highUnsigned(e, a, b), a, b));
    },
  );
}

/** Division that never traps: by zero it gives all ones or the dividend; the one overflow gives the dividend or 0. */
function divide(
  name: string,
  funct3: string,
  opcode: string,
  narrow: (value: I64) => I64,
  compute: (a: I64, b: I64) => I64,
  byZero: (a: I64) => I64,
  overflow?: { least: bigint; result: (a: I64) => I64 },
): Instruction {
  return row(
    name,
    `0000001 rs2 rs1 ${funct3} rd ${opcode}`,
    { extension: 'M', syntax: 'rd,rs1,rs2', pure: true },
    (e) => {
      const a = e.f.let(narrow(e.x('rs1')));
      const b = e.f.let(narrow(e.x('rs2')));
      let result = compute(a, b);
      if (overflow) result = choose(a.eq(overflow.least).and(b.eq(-1)), overflow.result(a), result);
      result = choose(b.eqz(), byZero(a), result);
      e.setX(opcode === '0111011' ? result.extend32S() : result);
    },
  );
}

const whole = (value: I64) => value;
const signedWord = (value: I64) => value.extend32S();
const unsignedWord = (value: I64) => value.and(LOW);
const LEAST = -(1n << 63n);

/** M (unprivileged spec 12). */
export const MULTIPLY: readonly Instruction[] = [
  register('mul', '0000001', '000', (a, b) => a.mul(b), 'M'),
  multiplyHigh('mulh', '001', (high, a, b) => high.sub(a.shrS(63).and(b)).sub(b.shrS(63).and(a))),
  multiplyHigh('mulhsu', '010', (high, a, b) => high.sub(a.shrS(63).and(b))),
  multiplyHigh('mulhu', '011', (high) => high),
  divide(
    'div',
    '100',
    '0110011',
    whole,
    (a, b) => a.divS(b),
    () => i64(-1),
    { least: LEAST, result: (a) => a },
  ),
  divide(
    'divu',
    '101',
    '0110011',
    whole,
    (a, b) => a.divU(b),
    () => i64(-1),
  ),
  divide(
    'rem',
    '110',
    '0110011',
    whole,
    (a, b) => a.remS(b),
    (a) => a,
  ),
  divide(
    'remu',
    '111',
    '0110011',
    whole,
    (a, b) => a.remU(b),
    (a) => a,
  ),
  registerWord('mulw', '0000001', '000', (a, b) => a.mul(b), 'M'),
  divide(
    'divw',
    '100',
    '0111011',
    signedWord,
    (a, b) => a.divS(b),
    () => i64(-1),
  ),
  divide(
    'divuw',
    '101',
    '0111011',
    unsignedWord,
    (a, b) => a.divU(b),
    () => i64(-1),
  ),
  divide(
    'remw',
    '110',
    '0111011',
    signedWord,
    (a, b) => a.remS(b),
    (a) => a,
  ),
  divide(
    'remuw',
    '111',
    '0111011',
    unsignedWord,
    (a, b) => a.remU(b),
    (a) => a,
  ),
];
