import { CSR_NAMES } from '../../src/hart/csr.ts';
import {
  decode,
  disassemble,
  type EncodeOperands,
  encode,
  F_NAMES,
  INSTRUCTIONS,
  X_NAMES,
} from '../../src/isa/index.ts';

/**
 * Assembles text as `disassemble` writes it, with labels for targets and `#` for comments:
 *
 *     loop:   addi a0,a0,-1
 *             bne a0,zero,loop
 *             .4byte 0x12345678
 *             .org 0x1000               # zeros up to this offset
 *
 * Every instruction is disassembled again and must read as it was written.
 */
export interface Assembled {
  /** From page offset 0 on. */
  readonly bytes: Uint8Array;
  readonly labels: ReadonlyMap<string, number>;
}

interface Line {
  readonly at: number;
  readonly length: number;
  /** Without spaces around commas. */
  readonly text: string;
}

const rows = new Map(INSTRUCTIONS.map((row) => [row.name, row]));
const csrs = new Map([...CSR_NAMES].map(([number, name]) => [name, number]));
const ROUNDING = ['rne', 'rtz', 'rdn', 'rup', 'rmm', '', '', 'dyn'];
const DYNAMIC = 7;
/** Always exact, so assemblers encode no rounding mode. */
const EXACT: ReadonlySet<string> = new Set(['fcvt.d.s', 'fcvt.d.w', 'fcvt.d.wu']);

/** `bytes` stand at page offset `base`; labels are page offsets too. */
export function assemble(source: string, base = 0): Assembled {
  const lines: Line[] = [];
  const labels = new Map<string, number>();
  let at = base;
  for (const written of source.split('\n')) {
    const [, label, rest] = /^\s*(?:([a-z_]\w*):)?\s*(.*?)\s*$/.exec(written.replace(/#.*/, ''))!;
    if (label) labels.set(label, at);
    if (!rest) continue;
    const [, origin] = /^\.org (\S+)$/.exec(rest) ?? [];
    if (origin !== undefined) {
      at = Number(origin);
      continue;
    }
    const text = rest.replaceAll(/\s*,\s*/g, ',').replace(/\s+/, ' ');
    const length = /^(?:c\.|\.2byte)/.test(text) ? 2 : 4;
    lines.push({ at, length, text });
    at += length;
  }
  const bytes = new Uint8Array(at - base);
  const view = new DataView(bytes.buffer);
  for (const line of lines) {
    const bits = bitsOf(line, labels);
    if (line.length === 2) view.setUint16(line.at - base, bits, true);
    else view.setUint32(line.at - base, bits, true);
  }
  return { bytes, labels };
}

function bitsOf(line: Line, labels: ReadonlyMap<string, number>): number {
  const [mnemonic, operands = ''] = line.text.split(' ') as [string, string?];
  const target = (name: string): number => labels.get(name) ?? fail(line, `no label ${name}`);
  if (mnemonic === '.2byte' || mnemonic === '.4byte') return Number(operands);
  // Only branches and jumps have a target, and it comes last.
  const last = operands.slice(operands.lastIndexOf(',') + 1);
  const plain = labels.has(last)
    ? `${operands.slice(0, operands.length - last.length)}0x${target(last).toString(16)}`
    : operands;
  const text = plain ? `${mnemonic} ${plain}` : mnemonic;
  const bits = mnemonic.startsWith('c.') ? compressed(text, line) : encode32(mnemonic, plain, line);
  const back = disassemble(bits, BigInt(line.at));
  if (back !== text) fail(line, `reads back as ${back}`);
  return bits;
}

function fail(line: Line, why: string): never {
  throw new Error(`${line.text}: ${why}`);
}

/** Compressed instructions have no encoder, but there are few of them. */
function compressed(text: string, line: Line): number {
  const name = text.split(' ')[0];
  for (let bits = 0; bits < 0x1_0000; bits++) {
    if ((bits & 3) === 3 || decode(bits)?.compressed !== name) continue;
    if (disassemble(bits, BigInt(line.at)) === text) return bits;
  }
  return fail(line, 'no such compressed instruction');
}

function encode32(mnemonic: string, operands: string, line: Line): number {
  const [, base, order = ''] = /^(.*?)(\.aqrl|\.aq|\.rl)?$/.exec(mnemonic)! as unknown as [string, string, string?];
  const row = rows.get(base) ?? fail(line, 'no such instruction');
  const values: Record<string, number> = { aqrl: ['', '.rl', '.aq', '.aqrl'].indexOf(order) };
  if (row.syntax === 'fence') {
    const [predecessor, successor] = operands
      .split(',')
      .map((set) => [...set].reduce((bits, c) => bits | (8 >> 'iorw'.indexOf(c)), 0));
    return encode(row, { predecessor: predecessor!, successor: successor! });
  }
  if (row.syntax.endsWith(',rm')) values.rm = EXACT.has(row.name) ? 0 : DYNAMIC;
  const parts = row.syntax === 'none' ? [] : row.syntax.split(/[,()]+/).filter(Boolean);
  const given = operands.split(/[,()]+/).filter(Boolean);
  parts.forEach((part, i) => {
    if (given[i] !== undefined) setOperand(values, part, given[i], line);
  });
  return encode(row, values as EncodeOperands);
}

function setOperand(values: Record<string, number>, part: string, text: string, line: Line): void {
  const register = (names: readonly string[]): number => {
    const number = names.indexOf(text);
    return number < 0 ? fail(line, `no register ${text}`) : number;
  };
  if (/^r[ds]/.test(part)) values[part] = register(X_NAMES);
  else if (/^f[ds]/.test(part)) values[`r${part.slice(1)}`] = register(F_NAMES);
  else if (part === 'rm') values.rm = ROUNDING.indexOf(text);
  else if (part === 'csr') values.immediate = csrs.get(text) ?? Number(text);
  else if (part === 'uimm') values.rs1 = Number(text);
  else if (part === 'imm20') values.immediate = Number(text) << 12;
  else if (part === 'target') values.immediate = Number(text) - line.at;
  else values.immediate = Number(text);
}
