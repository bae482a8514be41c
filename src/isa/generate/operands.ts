import { COMPRESSED, type Compressed } from '../compressed.ts';
import { encode } from '../encode.ts';
import type { Instruction } from '../instruction.ts';
import type { Random } from './random.ts';

/** What generated instructions may use. */
export interface Choice {
  /** Registers that may be written, in x and f alike. */
  readonly destinations: readonly number[];
  readonly sources: readonly number[];
  /** CSR addresses for Zicsr instructions. */
  readonly csrs: readonly number[];
  /** Rounding modes 5 and 6 as well, which make an instruction illegal. */
  readonly reservedRounding?: boolean;
}

const ALL_REGISTERS = Array.from({ length: 32 }, (_, i) => i);
export const ANYTHING: Choice = { destinations: ALL_REGISTERS, sources: ALL_REGISTERS, csrs: [0x001, 0x002, 0x003] };

const IMMEDIATE_EDGES = [0, 1, -1, 2, 4, 8, -8, 31, 32, 63, 64, 2047, -2048, 1024, -1024];

function randomImmediate(instruction: Instruction, random: Random, { csrs }: Choice): number {
  switch (instruction.encoding.immediate) {
    case 'i':
    case 's':
      return random.oneIn(3) ? random.pick(IMMEDIATE_EDGES) : random.between(-2048, 2047);
    case 'u':
      return random.oneIn(4) ? random.pick([0, 0x1000, 0x7fff_f000, -0x8000_0000, -0x1000]) : random.word() & ~0xfff;
    case 'b':
      return random.between(-2048, 2047) * 2;
    case 'j':
      return random.between(-0x8_0000, 0x7_ffff) * 2;
    case 'shamt6':
      return random.oneIn(3) ? random.pick([0, 1, 31, 32, 33, 62, 63]) : random.below(64);
    case 'shamt5':
      return random.oneIn(3) ? random.pick([0, 1, 30, 31]) : random.below(32);
    case 'csr':
      return random.pick(csrs);
    case 'none':
      return 0;
  }
}

/** A third dynamic, the others all alike. */
function randomRounding(random: Random, reserved: boolean): number {
  if (random.oneIn(3)) return 7;
  return reserved && random.oneIn(24) ? 5 + random.below(2) : random.below(5);
}

/** Overlap is common: rd = rs1, rs1 = rs2, all three. */
function randomRegisters(random: Random, { destinations, sources }: Choice) {
  const rs1 = random.pick(sources);
  const rs2 = random.oneIn(6) ? rs1 : random.pick(sources);
  const rs3 = random.oneIn(6) ? rs1 : random.pick(sources);
  const overlap = random.oneIn(3) ? random.pick([rs1, rs2, rs3]) : -1;
  const rd = destinations.includes(overlap) ? overlap : random.pick(destinations);
  return { rd, rs1, rs2, rs3 };
}

/** A row of the table with random operands; `fixed` replaces some of them. */
export function randomBits(
  instruction: Instruction,
  random: Random,
  choice: Choice = ANYTHING,
  fixed: Parameters<typeof encode>[1] = {},
): number {
  return encode(instruction, {
    ...randomRegisters(random, choice),
    rm: randomRounding(random, choice.reservedRounding ?? false),
    immediate: randomImmediate(instruction, random, choice),
    aqrl: random.below(4),
    fm: 0,
    predecessor: random.below(16),
    successor: random.below(16),
    ...fixed,
  });
}

/** Rows before this one that have some of its encodings: those belong to them. */
const takenBy: ReadonlyMap<Compressed, readonly Compressed[]> = new Map(
  COMPRESSED.map((row, index) => [
    row,
    COMPRESSED.slice(0, index).filter(({ mask, match }) => ((match ^ row.match) & mask & row.mask) === 0),
  ]),
);

/** A compressed instruction of this row with random operands, none of them reserved. */
export function randomCompressedBits(compressed: Compressed, random: Random): number {
  const taken = takenBy.get(compressed)!;
  for (;;) {
    const bits = compressed.match | (random.word() & ~compressed.mask & 0xffff);
    if (compressed.expand(bits) && !taken.some(({ mask, match }) => (bits & mask) === match)) return bits;
  }
}
