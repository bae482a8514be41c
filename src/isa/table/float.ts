import type { I32, I64 } from '../../execute/wasm/index.ts';
import type { Emitter, FloatBits, FloatSource } from '../emitter.ts';
import { type Instruction, row, type Syntax } from '../instruction.ts';

/**
 * F and D (unprivileged spec 21, 22). Rows are made for both formats at once: `fmt` 00 is binary32 (values are I32
 * bits), 01 is binary64 (I64 bits). The arithmetic itself is in execute/float.
 */
interface Format {
  readonly key: 'f32' | 'f64';
  readonly letter: 's' | 'd';
  readonly extension: 'F' | 'D';
  readonly fmt: '00' | '01';
}
type Bits = FloatBits;

const FORMATS: readonly Format[] = [
  { key: 'f32', letter: 's', extension: 'F', fmt: '00' },
  { key: 'f64', letter: 'd', extension: 'D', fmt: '01' },
];
const OP = '1010011';

function get(e: Emitter, format: Format, source: FloatSource): Bits {
  return format.key === 'f64' ? e.d(source) : e.s(source);
}

function set(e: Emitter, format: Format, bits: Bits): void {
  if (format.key === 'f64') e.setD(bits as I64);
  else e.setS(bits as I32);
}

function negated(format: Format, bits: Bits): Bits {
  return format.key === 'f64' ? (bits as I64).xor(-(1n << 63n)) : (bits as I32).xor(-0x8000_0000);
}

/** A row whose body runs only while floating point is on. */
function floatRow(
  format: Format,
  name: string,
  pattern: string,
  syntax: Syntax,
  emit: (e: Emitter) => void,
): Instruction {
  return row(name, pattern, { extension: format.extension, syntax }, (e) => {
    e.requireFloat();
    emit(e);
  });
}

function arithmetic(format: Format, name: 'add' | 'sub' | 'mul' | 'div', funct5: string): Instruction {
  const pattern = `${funct5}${format.fmt} rs2 rs1 rm rd ${OP}`;
  return floatRow(format, `f${name}.${format.letter}`, pattern, 'fd,fs1,fs2,rm', (e) => {
    const rounding = e.f.let(e.roundingMode());
    set(e, format, e.float.arithmetic(format.key, name, get(e, format, 'rs1'), get(e, format, 'rs2'), rounding));
  });
}

function squareRoot(format: Format): Instruction {
  return floatRow(format, `fsqrt.${format.letter}`, `01011${format.fmt} 00000 rs1 rm rd ${OP}`, 'fd,fs1,rm', (e) => {
    const rounding = e.f.let(e.roundingMode());
    set(e, format, e.float.squareRoot(format.key, get(e, format, 'rs1'), rounding));
  });
}

/** ±(rs1 × rs2) ± rs3 with one rounding. */
function fused(
  format: Format,
  name: string,
  opcode: string,
  negateProduct: boolean,
  negateAddend: boolean,
): Instruction {
  const pattern = `rs3 ${format.fmt} rs2 rs1 rm rd ${opcode}`;
  return floatRow(format, `${name}.${format.letter}`, pattern, 'fd,fs1,fs2,fs3,rm', (e) => {
    const rounding = e.f.let(e.roundingMode());
    const a = get(e, format, 'rs1');
    const c = get(e, format, 'rs3');
    const product = negateProduct ? negated(format, a) : a;
    const addend = negateAddend ? negated(format, c) : c;
    set(e, format, e.float.fused(format.key, product, get(e, format, 'rs2'), addend, rounding));
  });
}

function minMax(format: Format, name: 'min' | 'max', funct3: string): Instruction {
  const pattern = `00101${format.fmt} rs2 rs1 ${funct3} rd ${OP}`;
  return floatRow(format, `f${name}.${format.letter}`, pattern, 'fd,fs1,fs2', (e) => {
    set(e, format, e.float.extreme(format.key, name, get(e, format, 'rs1'), get(e, format, 'rs2')));
  });
}

function compare(format: Format, name: 'eq' | 'lt' | 'le', funct3: string): Instruction {
  const pattern = `10100${format.fmt} rs2 rs1 ${funct3} rd ${OP}`;
  return floatRow(format, `f${name}.${format.letter}`, pattern, 'rd,fs1,fs2', (e) => {
    e.setX(e.float.compare(format.key, name, get(e, format, 'rs1'), get(e, format, 'rs2')));
  });
}

/** Sign injection: rs1 with the sign that `sign(rs1, rs2)` gives in the top bit. */
function signInjection(format: Format, name: string, funct3: string, sign: (a: I64, b: I64) => I64): Instruction {
  const pattern = `00100${format.fmt} rs2 rs1 ${funct3} rd ${OP}`;
  return floatRow(format, `fsgnj${name}.${format.letter}`, pattern, 'fd,fs1,fs2', (e) => {
    const wide = (source: FloatSource): I64 => (format.key === 'f64' ? e.d(source) : e.s(source).extendU());
    const top = format.key === 'f64' ? 1n << 63n : 1n << 31n;
    const a = e.f.let(wide('rs1'));
    const b = e.f.let(wide('rs2'));
    const result = a.and(top - 1n).or(sign(a, b).and(top));
    set(e, format, format.key === 'f64' ? result : result.wrap());
  });
}

function classify(format: Format): Instruction {
  const pattern = `11100${format.fmt} 00000 rs1 001 rd ${OP}`;
  return floatRow(format, `fclass.${format.letter}`, pattern, 'rd,fs1', (e) => {
    e.setX(e.float.classify(format.key, get(e, format, 'rs1')));
  });
}

const INTEGERS = [
  { letters: 'w', code: '00000', integer: 'i32' },
  { letters: 'wu', code: '00001', integer: 'u32' },
  { letters: 'l', code: '00010', integer: 'i64' },
  { letters: 'lu', code: '00011', integer: 'u64' },
] as const;

function integerConversions(format: Format): Instruction[] {
  return INTEGERS.flatMap(({ letters, code, integer }) => [
    floatRow(
      format,
      `fcvt.${letters}.${format.letter}`,
      `11000${format.fmt} ${code} rs1 rm rd ${OP}`,
      'rd,fs1,rm',
      (e) => {
        const rounding = e.f.let(e.roundingMode());
        e.setX(e.float.toInteger(format.key, integer, get(e, format, 'rs1'), rounding));
      },
    ),
    floatRow(
      format,
      `fcvt.${format.letter}.${letters}`,
      `11010${format.fmt} ${code} rs1 rm rd ${OP}`,
      'fd,rs1,rm',
      (e) => {
        const rounding = e.f.let(e.roundingMode());
        set(e, format, e.float.fromInteger(format.key, integer, e.x('rs1'), rounding));
      },
    ),
  ]);
}

function rowsOf(format: Format): Instruction[] {
  return [
    arithmetic(format, 'add', '00000'),
    arithmetic(format, 'sub', '00001'),
    arithmetic(format, 'mul', '00010'),
    arithmetic(format, 'div', '00011'),
    squareRoot(format),
    fused(format, 'fmadd', '1000011', false, false),
    fused(format, 'fmsub', '1000111', false, true),
    fused(format, 'fnmsub', '1001011', true, false),
    fused(format, 'fnmadd', '1001111', true, true),
    minMax(format, 'min', '000'),
    minMax(format, 'max', '001'),
    compare(format, 'le', '000'),
    compare(format, 'lt', '001'),
    compare(format, 'eq', '010'),
    signInjection(format, '', '000', (_, b) => b),
    signInjection(format, 'n', '001', (_, b) => b.not()),
    signInjection(format, 'x', '010', (a, b) => a.xor(b)),
    classify(format),
    ...integerConversions(format),
  ];
}

const SINGLE = FORMATS[0]!;
const DOUBLE = FORMATS[1]!;

/** Loads, stores and moves carry bits; they never look at NaN boxes. */
const TRANSFERS: readonly Instruction[] = [
  floatRow(SINGLE, 'flw', 'imm12 rs1 010 rd 0000111', 'fd,imm(rs1)', (e) =>
    e.setS(e.load(e.x('rs1').add(e.immediate()), 4, false).wrap()),
  ),
  floatRow(DOUBLE, 'fld', 'imm12 rs1 011 rd 0000111', 'fd,imm(rs1)', (e) =>
    e.setD(e.load(e.x('rs1').add(e.immediate()), 8, false)),
  ),
  floatRow(SINGLE, 'fsw', 'simm7 rs2 rs1 010 simm5 0100111', 'fs2,imm(rs1)', (e) =>
    e.store(e.x('rs1').add(e.immediate()), 4, e.rawFloat('rs2')),
  ),
  floatRow(DOUBLE, 'fsd', 'simm7 rs2 rs1 011 simm5 0100111', 'fs2,imm(rs1)', (e) =>
    e.store(e.x('rs1').add(e.immediate()), 8, e.rawFloat('rs2')),
  ),
  floatRow(SINGLE, 'fmv.x.w', `1110000 00000 rs1 000 rd ${OP}`, 'rd,fs1', (e) => e.setX(e.rawFloat('rs1').extend32S())),
  floatRow(DOUBLE, 'fmv.x.d', `1110001 00000 rs1 000 rd ${OP}`, 'rd,fs1', (e) => e.setX(e.rawFloat('rs1'))),
  floatRow(SINGLE, 'fmv.w.x', `1111000 00000 rs1 000 rd ${OP}`, 'fd,rs1', (e) => e.setS(e.x('rs1').wrap())),
  floatRow(DOUBLE, 'fmv.d.x', `1111001 00000 rs1 000 rd ${OP}`, 'fd,rs1', (e) => e.setD(e.x('rs1'))),
  floatRow(DOUBLE, 'fcvt.s.d', `0100000 00001 rs1 rm rd ${OP}`, 'fd,fs1,rm', (e) => {
    const rounding = e.f.let(e.roundingMode());
    e.setS(e.float.narrow(e.d('rs1'), rounding));
  }),
  floatRow(DOUBLE, 'fcvt.d.s', `0100001 00000 rs1 rm rd ${OP}`, 'fd,fs1,rm', (e) => {
    e.f.drop(e.roundingMode());
    e.setD(e.float.widen(e.s('rs1')));
  }),
];

export const FLOAT: readonly Instruction[] = [...FORMATS.flatMap(rowsOf), ...TRANSFERS];
