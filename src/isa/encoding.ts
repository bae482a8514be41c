import { invariant, present } from '../common/invariant.ts';

/**
 * Encodings as the specification prints them, most significant bit first: literal bits and field names, for instance
 * `0000000 rs2 rs1 000 rd 0110011`. Widths of the fields are below.
 */
const FIELD_WIDTHS: Readonly<Record<string, number>> = {
  rd: 5,
  rs1: 5,
  rs2: 5,
  rs3: 5,
  rm: 3,
  imm12: 12,
  imm20: 20,
  jimm20: 20,
  simm7: 7,
  simm5: 5,
  bimm7: 7,
  bimm5: 5,
  shamt6: 6,
  shamt5: 5,
  csr: 12,
  uimm5: 5,
  aqrl: 2,
  fm: 4,
  pred: 4,
  succ: 4,
};

/** The format of an immediate (unprivileged spec 2.3), or what stands in its place. */
export type ImmediateKind = 'i' | 's' | 'b' | 'u' | 'j' | 'shamt6' | 'shamt5' | 'csr' | 'none';

/** The bits of an instruction. */
export interface Encoding {
  /** Bits that are fixed (unsigned). */
  readonly mask: number;
  /** Their values (unsigned). */
  readonly match: number;
  /** Which of the register fields it has. */
  readonly fields: ReadonlySet<string>;
  /** The format of its immediate. */
  readonly immediate: ImmediateKind;
}

const IMMEDIATES: readonly (readonly [field: string, kind: ImmediateKind])[] = [
  ['imm12', 'i'],
  ['simm7', 's'],
  ['bimm7', 'b'],
  ['imm20', 'u'],
  ['jimm20', 'j'],
  ['shamt6', 'shamt6'],
  ['shamt5', 'shamt5'],
  ['csr', 'csr'],
];

export function parseEncoding(pattern: string): Encoding {
  let mask = 0n;
  let match = 0n;
  let width = 0;
  const fields = new Set<string>();
  for (const token of pattern.split(' ')) {
    const literal = /^[01]+$/.test(token);
    const bits = literal ? token.length : present(FIELD_WIDTHS[token], `the field ${token} of ${pattern} has a width`);
    const shift = BigInt(bits);
    mask = (mask << shift) | (literal ? (1n << shift) - 1n : 0n);
    match = (match << shift) | (literal ? BigInt(`0b${token}`) : 0n);
    width += bits;
    if (!literal) fields.add(token);
  }
  invariant(width === 32, `an instruction has 32 bits: ${pattern} has ${width}`);
  const immediate = IMMEDIATES.find(([field]) => fields.has(field))?.[1] ?? 'none';
  return { mask: Number(mask), match: Number(match), fields, immediate };
}

/** The immediate of a 32-bit instruction, sign-extended where the format says so (unprivileged spec 2.3). */
export function immediateOf(kind: ImmediateKind, bits: number): number {
  switch (kind) {
    case 'i':
      return bits >> 20;
    case 's':
      return ((bits >> 25) << 5) | ((bits >>> 7) & 31);
    case 'b':
      return (
        ((bits >> 31) << 12) | (((bits >>> 7) & 1) << 11) | (((bits >>> 25) & 63) << 5) | (((bits >>> 8) & 15) << 1)
      );
    case 'u':
      return bits & ~0xfff;
    case 'j':
      return (
        ((bits >> 31) << 20) |
        (((bits >>> 12) & 255) << 12) |
        (((bits >>> 20) & 1) << 11) |
        (((bits >>> 21) & 1023) << 1)
      );
    case 'shamt6':
      return (bits >>> 20) & 63;
    case 'shamt5':
      return (bits >>> 20) & 31;
    case 'csr':
      return bits >>> 20;
    case 'none':
      return 0;
  }
}

/** Puts an immediate into a 32-bit instruction; the inverse of `immediateOf` for values that fit. */
export function withImmediate(kind: ImmediateKind, bits: number, value: number): number {
  switch (kind) {
    case 'i':
      return bits | (value << 20);
    case 's':
      return bits | (((value >> 5) & 127) << 25) | ((value & 31) << 7);
    case 'b':
      return (
        bits |
        (((value >> 12) & 1) << 31) |
        (((value >> 5) & 63) << 25) |
        (((value >> 1) & 15) << 8) |
        (((value >> 11) & 1) << 7)
      );
    case 'u':
      return bits | (value & ~0xfff);
    case 'j':
      return (
        bits |
        (((value >> 20) & 1) << 31) |
        (((value >> 1) & 1023) << 21) |
        (((value >> 11) & 1) << 20) |
        (((value >> 12) & 255) << 12)
      );
    case 'shamt6':
      return bits | ((value & 63) << 20);
    case 'shamt5':
      return bits | ((value & 31) << 20);
    case 'csr':
      return bits | (value << 20);
    case 'none':
      return bits;
  }
}
