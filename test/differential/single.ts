import { type Choice, randomBits, randomCompressedBits } from '../../src/isa/generate/operands.ts';
import type { Random } from '../../src/isa/generate/random.ts';
import {
  COMPRESSED,
  type Compressed,
  type Decoded,
  decode,
  INSTRUCTIONS,
  type Instruction,
  lengthOf,
} from '../../src/isa/index.ts';
import { type Batch, END } from './batch.ts';
import * as I from './image.ts';
import * as R from './record.ts';

/** Rows that this kind of case can't hold; other tests have them. */
const ELSEWHERE: ReadonlySet<string> = new Set(['mret', 'sret', 'wfi']);
/** Rows that QEMU 7.2 does not have (Zicbom, Zicboz). */
export const UNKNOWN_TO_QEMU: readonly string[] = INSTRUCTIONS.filter(({ extension }) =>
  ['Zicbom', 'Zicboz'].includes(extension),
).map(({ name }) => name);

export type SingleRow = { readonly wide: Instruction } | { readonly short: Compressed };

export const SINGLE_ROWS: readonly SingleRow[] = [
  ...INSTRUCTIONS.filter(({ name }) => !ELSEWHERE.has(name) && !UNKNOWN_TO_QEMU.includes(name)).map((wide) => ({
    wide,
  })),
  ...COMPRESSED.map((short) => ({ short })),
];

/** CSRs whose content is a case's own, constants that agree, and addresses where nothing is. */
const CSRS = [0x001, 0x002, 0x003, 0x001, 0x002, 0x003, 0x140, 0x142, 0x143, 0xf11, 0xf14, 0x5c0, 0x7c0, 0xbc0, 0x8ff];
const ALL = Array.from({ length: 32 }, (_, i) => i);
const CHOICE: Choice = { destinations: ALL, sources: ALL, csrs: CSRS, reservedRounding: true };

const NEAR_BYTES = 128;
const FAR_ONE_IN = 12;

/** Adds one case: a row with random operands in a random state. */
export function addSingle(batch: Batch, row: SingleRow, random: Random): void {
  const bits = bitsOf(row, random);
  const d = decode(bits);
  if (d && (d.instruction.flow === 'branch' || d.instruction.flow === 'jump')) addRelative(batch, row, d, random);
  else if (d?.instruction.flow === 'indirect') addIndirect(batch, d, bits, random);
  else addStraight(batch, d, bits, random);
}

function bitsOf(row: SingleRow, random: Random): number {
  if ('short' in row) return randomCompressedBits(row.short, random);
  // A failing SC need not look at its address, and QEMU's does not: it gets one that works.
  const fixed = row.wide.name.startsWith('sc.') ? { rs1: random.between(1, 31) } : {};
  return randomBits(row.wide, random, CHOICE, fixed);
}

export const nameOf = (row: SingleRow): string => ('wide' in row ? row.wide.name : row.short.name);

function addStraight(batch: Batch, d: Decoded | undefined, bits: number, random: Random): void {
  const address = batch.place([bits, END]);
  const at = batch.begin(d?.instruction.name ?? 'reserved', address, lengthOf(bits) + 4, random);
  relate(batch, at, d, random);
  if (random.oneIn(40)) batch.input[at + 2 * R.R_STATUS]! &= ~(3 << 13);
  if (random.oneIn(40)) batch.input[at + 2 * R.R_FCSR] = random.below(256);
  const width = d ? accessWidth(d) : 0;
  if (d && width > 0 && d.rs1 !== 0) {
    batch.set(at, d.rs1, accessAddress(d, width, random) - BigInt(d.immediate));
  }
}

/** Operands that have something to do with each other: equal, opposite, one bit apart. */
function relate(batch: Batch, at: number, d: Decoded | undefined, random: Random): void {
  if (!d || d.rs1 === 0 || d.rs2 === 0 || !random.oneIn(4)) return;
  const { input } = batch;
  for (const file of [0, R.R_F]) {
    const from = at + 2 * (file + d.rs1);
    const to = at + 2 * (file + d.rs2);
    input[to] = input[from]!;
    input[to + 1] = input[from + 1]!;
    const sign = file === 0 || input[to + 1] !== 0xffff_ffff ? to + 1 : to;
    if (random.oneIn(2)) input[sign] = (input[sign]! ^ 0x8000_0000) >>> 0;
    if (random.oneIn(3)) input[to] = (input[to]! ^ (1 << random.below(32))) >>> 0;
  }
}

/** Bytes that an instruction reads or writes in memory; 0 when it does neither. */
export function accessWidth({ instruction }: Decoded): number {
  const { name, syntax } = instruction;
  if (instruction.extension === 'A') return name.endsWith('.d') ? 8 : 4;
  if (!syntax.includes('(rs1)') || instruction.flow !== 'straight') return 0;
  const letter = name.replace(/^f?[ls]/, '')[0]!;
  return { b: 1, h: 2, w: 4, d: 8 }[letter]!;
}

const HOLES = [0x9000_0000n, 0x8800_0000n, 0x200n, 0xffff_fff0n, 0x2_0000_0000n, 1n << 55n];

/** In the scratch memory: aligned, misaligned, across the page edge; sometimes where nothing is. */
function accessAddress({ instruction }: Decoded, width: number, random: Random): bigint {
  const side = I.SCRATCH_SIDE_BYTES;
  const aligned = random.between(-side / width, side / width - 1) * width;
  const place = (offset: number) => BigInt(I.SCRATCH_EDGE + offset);
  if (instruction.name.startsWith('sc.')) return place(aligned);
  const kind = random.below(10);
  if (kind < 5) return place(aligned);
  if (kind < 7) return place(random.between(-side, side - width));
  if (kind < 9) return place(random.between(-width, 0));
  return random.pick(HOLES) + BigInt(8 * random.below(2));
}

/** A target that is neither the instruction itself nor its middle. */
function isHarmless(offset: number, length: number): boolean {
  return offset < -2 || offset >= length;
}

function addRelative(batch: Batch, row: SingleRow, d: Decoded, random: Random): void {
  if (random.oneIn(FAR_ONE_IN) && addFarRelative(batch, row, d, random)) return;
  for (;;) {
    const offset = random.between(-NEAR_BYTES / 2, NEAR_BYTES / 2 - 1) * 2;
    const bits =
      'wide' in row
        ? randomBits(row.wide, random, CHOICE, { immediate: offset })
        : randomCompressedBits(row.short, random);
    const { immediate, length } = decode(bits)!;
    if (Math.abs(immediate) >= NEAR_BYTES || !isHarmless(immediate, length)) continue;
    const misplaced = random.below(2) * 2;
    const address = batch.place([bits, END], NEAR_BYTES + misplaced, NEAR_BYTES - misplaced);
    relate(batch, batch.begin(d.instruction.name, address, length + 4, random), decode(bits), random);
    return;
  }
}

/** The whole range of offsets, from a cell where the instruction may lie across two pages. */
function addFarRelative(batch: Batch, row: SingleRow, d: Decoded, random: Random): boolean {
  const offset = random.pick([0x1000, 0x0ffe, 0x0ffc, 0x1002]);
  const bits = 'wide' in row ? randomBits(row.wide, random, CHOICE) : randomCompressedBits(row.short, random);
  const { immediate, length } = decode(bits)!;
  const landing = (offset + immediate) & (I.FAR_CELL_BYTES - 1);
  if (landing >= 0x0ff0 && landing < 0x1010) return false;
  const address = batch.placeFar(bits, offset);
  if (address === undefined) return false;
  relate(batch, batch.begin(`${d.instruction.name} far`, address, length + 4, random), decode(bits), random);
  return true;
}

function addIndirect(batch: Batch, d: Decoded, bits: number, random: Random): void {
  const misplaced = random.below(2) * 2;
  const address = batch.place([bits, END], NEAR_BYTES + misplaced, NEAR_BYTES - misplaced);
  const at = batch.begin(d.instruction.name, address, lengthOf(bits) + 4, random);
  if (d.rs1 === 0) return;
  let offset = 0;
  while (!isHarmless(offset & ~1, d.length)) offset = random.between(-NEAR_BYTES, NEAR_BYTES - 1);
  const target = random.oneIn(10) ? random.pick(HOLES) : BigInt(address + offset);
  batch.set(at, d.rs1, target - BigInt(d.immediate));
}

/** QEMU's spelling of Zicond lives there (spelling.ts). */
const CUSTOM_3 = 0x7b;

/** All 16-bit encodings that are no instruction. */
export const RESERVED_SHORT: readonly number[] = Array.from({ length: 0x1_0000 }, (_, bits) => bits).filter(
  (bits) => (bits & 3) !== 3 && decode(bits) === undefined,
);

/** A 32-bit word that is no instruction: one with a bit turned, or any. */
export function reservedWord(random: Random): number {
  for (;;) {
    const near = randomBits(random.pick(INSTRUCTIONS), random, CHOICE) ^ (1 << random.between(2, 31));
    const bits = (random.oneIn(3) ? random.word() | 3 : near) >>> 0;
    if (decode(bits) === undefined && (bits & 0x7f) !== CUSTOM_3) return bits;
  }
}

export function addReserved(batch: Batch, bits: number, random: Random): void {
  addStraight(batch, undefined, bits, random);
}
