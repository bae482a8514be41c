import { present } from '../../common/invariant.ts';
import { COMPRESSED } from '../compressed.ts';
import { type Decoded, decode, lengthOf } from '../decode.ts';
import { encode, encodeNamed } from '../encode.ts';
import type { Instruction } from '../instruction.ts';
import { INSTRUCTIONS } from '../table/index.ts';
import { type Choice, randomBits, randomCompressedBits } from './operands.ts';
import type { Random } from './random.ts';

/**
 * Random programs: straight code, forward branches, short loops, calls, loads and stores around one address, atomics,
 * LR/SC pairs, CSRs, and code that changes itself. They end, touch only their window of memory, and go on behind their
 * last byte.
 *
 * These registers have a role and are never written by anything else:
 */
export const LINK = 1;
export const STACK_POINTER = 2;
export const ALIGNED_POINTER = 8;
export const BYTE_POINTER = 9;
/** Atomics of 8 and of 4 bytes. */
export const LONG_POINTER = 10;
export const WORD_POINTER = 11;
export const LOOP_COUNTER = 12;
/** The address of the program's first byte. */
export const CODE_POINTER = 13;
/** Moves through the window in loops. */
export const STRIDE_POINTER = 18;

const RESERVED: ReadonlySet<number> = new Set([1, 2, 8, 9, 10, 11, 12, 13, 18]);
const ALL = Array.from({ length: 32 }, (_, i) => i);
const FREE = ALL.filter((register) => !RESERVED.has(register));
/** Registers that code may be patched with and jumped through. */
const TEMPORARY = [5, 6, 7, 14, 15, 28];

export interface SequenceOptions {
  /** About so many instructions. */
  readonly length: number;
  /** Memory may be accessed from `-window` to `window` around the middle. */
  readonly window: number;
  readonly csrs: readonly number[];
  /** Rows to leave out, by name. */
  readonly without: ReadonlySet<string>;
  /** Code that changes itself; instructions of these rows are never what it changes to. */
  readonly patches: { readonly without: ReadonlySet<string> } | undefined;
}

export interface Sequence {
  /** Instructions in order, 16 or 32 bits each. */
  readonly bits: readonly number[];
  /** Registers that point into the window, as offsets from its middle. */
  readonly pointers: ReadonlyMap<number, number>;
}

interface Transfer {
  readonly length: 2 | 4;
  /** Index of the item that it leads to. */
  readonly target: number;
  /** Leads there even if the item is glued. */
  readonly exact?: boolean;
  readonly at: (offset: number) => number;
}

type Item = { readonly bits: number } | Transfer;

const lengthOfItem = (item: Item): number => ('bits' in item ? lengthOf(item.bits) : item.length);

/** 16-bit branches and jumps by the offset that they encode. */
function shortTransfers(name: string): ReadonlyMap<number, readonly number[]> {
  const row = COMPRESSED.find((one) => one.name === name)!;
  const found = new Map<number, number[]>();
  for (let bits = 0; bits < 0x1_0000; bits++) {
    if ((bits & row.mask) !== row.match) continue;
    const offset = row.expand(bits)!.immediate;
    found.set(offset, [...(found.get(offset) ?? []), bits]);
  }
  return found;
}

const SHORT_TRANSFERS = ['c.j', 'c.beqz', 'c.bnez'].map(shortTransfers);
const BRANCHES = INSTRUCTIONS.filter(({ flow }) => flow === 'branch');
/** c.jr ra */
const SHORT_RETURN = 0x8082;
/** Compressed rows that neither transfer control nor raise. */
const SHORT_ROWS = COMPRESSED.filter(({ target }) => !['jal', 'jalr', 'beq', 'bne', 'ebreak'].includes(target));

/** The rows that the options leave, by what they are used for. */
interface Rows {
  readonly choice: Choice;
  readonly straight: readonly Instruction[];
  readonly accesses: readonly Instruction[];
  readonly atomics: readonly Instruction[];
  readonly control: readonly Instruction[];
  readonly patches: readonly Instruction[] | undefined;
}

function rowsOf({ without, csrs, patches }: SequenceOptions): Rows {
  const rows = INSTRUCTIONS.filter(({ name }) => !without.has(name));
  const isAccess = ({ syntax, flow }: Instruction) => syntax.includes('imm(rs1)') && flow === 'straight';
  const straight = rows.filter(
    (row) => row.flow === 'straight' && !isAccess(row) && !['A', 'Svinval'].includes(row.extension),
  );
  return {
    choice: { destinations: FREE, sources: ALL, csrs },
    straight,
    accesses: rows.filter(isAccess),
    atomics: rows.filter(({ extension, name }) => extension === 'A' && !/^(lr|sc)/.test(name)),
    control: rows.filter(({ extension }) => extension === 'Zicsr'),
    patches: patches && straight.filter(({ name }) => !patches.without.has(name)),
  };
}

class Builder {
  readonly items: Item[] = [];
  private readonly random: Random;
  private readonly options: SequenceOptions;
  private readonly rows: Rows;
  private readonly choice: Choice;
  private readonly pointers: ReadonlyMap<number, number>;
  /** Items that make sense only right after the one before: no transfer leads to them. */
  private readonly glued = new Set<number>();
  /** Items whose offset counts from the start of the program. */
  private readonly patches = new Set<number>();
  private inLoop = false;
  private inFunction = false;

  constructor(random: Random, options: SequenceOptions, rows: Rows, pointers: ReadonlyMap<number, number>) {
    this.random = random;
    this.options = options;
    this.rows = rows;
    this.choice = rows.choice;
    this.pointers = pointers;
  }

  add(bits: number): void {
    this.items.push({ bits });
  }

  addRandom(): void {
    const { random } = this;
    const kind = random.below(100);
    if (kind < 38) this.add(randomBits(random.pick(this.rows.straight), random, this.choice));
    else if (kind < 56) this.addShort();
    else if (kind < 74) this.addAccess();
    else if (kind < 80) this.addAtomic();
    else if (kind < 83) this.addPair();
    else if (kind < 88) this.add(randomBits(random.pick(this.rows.control), random, this.choice));
    else if (kind < 93) this.addForward();
    else if (kind < 95) this.addLoop();
    else if (kind < 96) this.addStrideLoop();
    else if (kind < 97) this.addJump();
    else if (kind < 99) this.addCall();
    else if (this.rows.patches) this.addPatch(this.rows.patches);
  }

  private inWindow(offset: number, width: number): boolean {
    const { window } = this.options;
    return offset >= -window && offset + width <= window;
  }

  private addAccess(): void {
    const { random } = this;
    const row = random.pick(this.rows.accesses);
    const width = widthOf(row.name);
    const rs1 = random.pick([ALIGNED_POINTER, ALIGNED_POINTER, BYTE_POINTER, STACK_POINTER]);
    const offset = this.pointers.get(rs1)!;
    const { window } = this.options;
    const near = random.oneIn(3) ? random.between(-width, 0) : random.between(-window, window - width);
    const aligned = random.oneIn(2) ? near & -width : near;
    const place = this.inWindow(aligned, width) ? aligned : near;
    this.add(randomBits(row, random, this.choice, { rs1, immediate: place - offset }));
  }

  /** A compressed instruction that keeps to the rules, if one comes up. */
  private addShort(): void {
    for (let tries = 0; tries < 40; tries++) {
      const row = this.random.pick(SHORT_ROWS);
      const bits = randomCompressedBits(row, this.random);
      if (!this.allows(decode(bits)!)) continue;
      this.add(bits);
      return;
    }
  }

  private allows(d: Decoded): boolean {
    if (this.options.without.has(d.instruction.name)) return false;
    if (d.instruction.syntax.includes('imm(rs1)')) {
      const base = this.pointers.get(d.rs1);
      if (base === undefined || !this.inWindow(base + d.immediate, widthOf(d.instruction.name))) return false;
    }
    return !writesInteger(d.instruction) || !RESERVED.has(d.rd);
  }

  private atomicPointer(name: string): number {
    if (name.endsWith('.d')) return LONG_POINTER;
    return this.random.pick([LONG_POINTER, WORD_POINTER]);
  }

  private addAtomic(): void {
    const row = this.random.pick(this.rows.atomics);
    this.add(randomBits(row, this.random, this.choice, { rs1: this.atomicPointer(row.name) }));
  }

  /** LR, a few instructions that do not write memory, SC to the same address. */
  private addPair(): void {
    const { random } = this;
    const width = random.pick(['.w', '.d']);
    const rs1 = this.atomicPointer(width);
    const row = (name: string) => INSTRUCTIONS.find((one) => one.name === name + width)!;
    this.add(randomBits(row('lr'), random, this.choice, { rs1 }));
    for (let i = random.below(4); i > 0; i--)
      this.add(randomBits(random.pick(this.rows.straight), random, this.choice));
    this.add(randomBits(row('sc'), random, this.choice, { rs1 }));
    if (random.oneIn(3)) this.add(randomBits(row('sc'), random, this.choice, { rs1 }));
  }

  /** To the item after the next `count` ones. */
  private transfer(count: number): Item {
    const { random } = this;
    const target = this.items.length + 1 + count;
    if (random.oneIn(3)) {
      const table = random.pick(SHORT_TRANSFERS);
      return { length: 2, target, at: (offset) => random.pick(table.get(offset)!) };
    }
    const link = random.oneIn(4);
    const row = random.pick(BRANCHES);
    const rd = random.pick(FREE);
    const draw = randomBits(row, random, this.choice, { immediate: 0 });
    return {
      length: 4,
      target,
      at: (offset) =>
        link ? encodeNamed('jal', { rd, immediate: offset }) : encode(row, { ...decode(draw)!, immediate: offset }),
    };
  }

  private addForward(): void {
    const count = this.random.between(0, 4);
    this.items.push(this.transfer(count));
    for (let i = 0; i < count; i++) this.addRandom();
  }

  /**
   * Ends although it may be entered in the middle: the counter only falls, and the loop goes on while it is above 0.
   */
  private addLoop(): void {
    const count = this.random.oneIn(4) ? this.random.between(6, 40) : this.random.between(1, 5);
    this.loop(count, () => {
      for (let i = this.random.between(1, 6); i > 0; i--) this.addRandom();
    });
  }

  /** Walks through the window, over the middle of it: loads and stores through a pointer that moves. */
  private addStrideLoop(): void {
    const { random } = this;
    const { window } = this.options;
    const width = random.pick([1, 2, 4, 8]);
    const stride = random.pick([1, 3, 4, 8]);
    const count = random.between(2, Math.floor((2 * window - 8) / stride));
    const from = random.between(-window, window - width - (count - 1) * stride - 8);
    const rows = this.rows.accesses.filter(({ name }) => widthOf(name) <= 8);
    const base = this.pointers.get(ALIGNED_POINTER)!;
    if (this.inLoop) return;
    this.add(encodeNamed('addi', { rd: STRIDE_POINTER, rs1: ALIGNED_POINTER, immediate: from - base }));
    this.loop(count, () => {
      for (let i = random.between(1, 3); i > 0; i--) {
        const row = random.pick(rows);
        const immediate = random.between(0, 8 - widthOf(row.name));
        this.add(randomBits(row, random, this.choice, { rs1: STRIDE_POINTER, immediate }));
        if (random.oneIn(2)) this.add(randomBits(random.pick(this.rows.straight), random, this.choice));
      }
      this.add(encodeNamed('addi', { rd: STRIDE_POINTER, rs1: STRIDE_POINTER, immediate: stride }));
    });
  }

  private loop(count: number, body: () => void): void {
    if (this.inLoop) return;
    this.inLoop = true;
    this.add(encodeNamed('addi', { rd: LOOP_COUNTER, immediate: count }));
    const start = this.items.length;
    body();
    this.add(encodeNamed('addi', { rd: LOOP_COUNTER, rs1: LOOP_COUNTER, immediate: -1 }));
    const operands = { rs1: 0, rs2: LOOP_COUNTER };
    this.glued.add(this.items.length);
    this.items.push({
      length: 4,
      target: start,
      exact: true,
      at: (offset) => encodeNamed('blt', { ...operands, immediate: offset }),
    });
    this.inLoop = false;
  }

  /**
   * A call, what follows it, and the function behind that. Only the call leads into the function: else it would return
   * to where an earlier call came from, and never end.
   */
  private addCall(): void {
    const { random } = this;
    const call = this.items.length;
    const add = (count: number) => {
      for (let i = 0; i < count; i++) this.addRandom();
    };
    const jump = (rd: number, target: number, exact: boolean): Transfer => ({
      ...{ length: 4, target, exact },
      at: (offset) => encodeNamed('jal', { rd, immediate: offset }),
    });
    if (this.inFunction) return;
    this.inFunction = true;
    this.items.push(jump(LINK, 0, true)); // its target is known below
    add(random.between(0, 3));
    const over = this.items.length;
    this.items.push(jump(0, 0, true));
    this.items[call] = jump(LINK, this.items.length, true);
    const body = this.items.length;
    add(random.between(1, 4));
    this.add(random.oneIn(2) ? encodeNamed('jalr', { rs1: LINK }) : SHORT_RETURN);
    for (let item = body; item < this.items.length; item++) this.glued.add(item);
    this.items[over] = jump(0, this.items.length, true);
    this.inFunction = false;
  }

  /** auipc and jalr to a few instructions ahead. */
  private addJump(): void {
    const { random } = this;
    const rd = random.pick(TEMPORARY);
    const link = random.oneIn(2) ? rd : random.pick(FREE);
    this.add(encodeNamed('auipc', { rd }));
    const skipped = random.between(0, 3);
    const target = this.items.length + 1 + skipped;
    this.glued.add(this.items.length);
    // From the auipc, which lies 4 bytes before.
    this.items.push({
      length: 4,
      target,
      at: (offset) => encodeNamed('jalr', { rd: link, rs1: rd, immediate: offset + 4 }),
    });
    for (let i = 0; i < skipped; i++) this.add(randomBits(random.pick(this.rows.straight), random, this.choice));
  }

  /** Writes another instruction over one that comes later, or came before in a loop, then fence.i. */
  private addPatch(rows: readonly Instruction[]): void {
    const { random } = this;
    const rd = random.pick(TEMPORARY);
    const patch = BigInt(randomBits(random.pick(rows), random, this.choice));
    const low = Number(BigInt.asIntN(12, patch));
    const high = Number(BigInt.asIntN(32, patch - BigInt(low)));
    this.add(encodeNamed('lui', { rd, immediate: high }));
    this.add(encodeNamed('addi', { rd, rs1: rd, immediate: low }));
    for (let i = 0; i < 3; i++) this.glued.add(this.items.length - 1 + i);
    const patched = this.items.length + 2 + random.below(3);
    this.items.push({
      length: 4,
      target: patched,
      at: (offset) => encodeNamed('sw', { rs1: CODE_POINTER, rs2: rd, immediate: offset }),
    });
    this.patches.add(this.items.length - 1);
    this.add(encodeNamed('fence.i'));
    while (this.items.length <= patched) this.add(randomBits(random.pick(this.rows.straight), random, this.choice));
  }

  finish(): number[] {
    const starts: number[] = [];
    let end = 0;
    for (const item of this.items) {
      starts.push(end);
      end += lengthOfItem(item);
    }
    return this.items.map((item, index) => {
      if ('bits' in item) return item.bits;
      if (this.patches.has(index)) return item.at(starts[item.target]!);
      let landing = item.target;
      while (!item.exact && this.glued.has(landing)) landing++;
      return item.at((starts[landing] ?? end) - starts[index]!);
    });
  }
}

/** Bytes that a load or store of this name moves. */
function widthOf(name: string): number {
  const letter = name.replace(/^f?[ls]/, '').charAt(0);
  return present({ b: 1, h: 2, w: 4, d: 8 }[letter], `a load or store names its width: ${name}`);
}

function writesInteger({ encoding, syntax }: Instruction): boolean {
  return encoding.fields.has('rd') && !syntax.startsWith('fd');
}

function randomPointers(random: Random, window: number): Map<number, number> {
  return new Map([
    [STACK_POINTER, -window],
    [ALIGNED_POINTER, random.between(-window / 8, 0) * 8],
    [BYTE_POINTER, random.between(-window / 2, window / 2)],
    [LONG_POINTER, random.between(-window / 8, window / 8 - 1) * 8],
    [STRIDE_POINTER, 0],
    [WORD_POINTER, random.between(-window / 4, window / 4 - 1) * 4],
  ]);
}

/** Gives a new program at each call. */
export function sequenceGenerator(options: SequenceOptions): (random: Random) => Sequence {
  const rows = rowsOf(options);
  return (random) => {
    const pointers = randomPointers(random, options.window);
    const builder = new Builder(random, options, rows, pointers);
    while (builder.items.length < options.length) builder.addRandom();
    return { bits: builder.finish(), pointers };
  };
}
