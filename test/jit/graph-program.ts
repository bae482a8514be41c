import {
  type Choice,
  Random,
  randomBits,
  randomCompressedBits,
  writeFloat,
  writeInteger,
} from '../../src/isa/generate/index.ts';
import { COMPRESSED, decode, encodeNamed, INSTRUCTIONS, instructionNamed } from '../../src/isa/index.ts';
import { Assembler, type CodeLabel } from '../differential/assembler.ts';
import type { Image } from '../differential/image.ts';
import * as P from './graph-layout.ts';

/**
 * Programs whose blocks form random graphs: loops in loops, loops with several entries, switches, calls whose returns
 * do not match, jumps into the middle of instructions, instructions across pages. They store next to their code, change
 * it, and have other frames mapped in its place. They end: every way back costs fuel, and none is taken without.
 *
 * Registers with a role:
 */
const LINK = 1;
/** Saved return addresses. */
const STACK = 2;
/** The table of addresses and constants below. */
const TABLE = 3;
/** Into the middle of the data, anywhere; aligned; close to what is not mapped. */
const BYTE_POINTER = 8;
const ALIGNED_POINTER = 9;
const EDGE_POINTER = 18;
/** Written and read by sequences that nothing jumps into. */
const T0 = 5;
const T1 = 6;
const T2 = 7;

const FREE = [...range(10, 18), ...range(19, 27), 28, 29, 30, 31];
const CHOICE: Choice = {
  destinations: [...FREE, T0, T1, T2],
  sources: range(0, 32),
  csrs: [0x001, 0x001, 0x002, 0x003],
};
/** The same without what sequences of instructions go by. */
const UNLINKED: Choice = { ...CHOICE, destinations: FREE };
/** What QEMU 7.2 has not, or does otherwise (test/differential/README.md). */
const WITHOUT: ReadonlySet<string> = new Set(['ctzw', 'czero.eqz', 'czero.nez']);

const ROWS = INSTRUCTIONS.filter(({ name, extension }) => !WITHOUT.has(name) && !/^(Zicbo|Svinval)/.test(extension));
const isAccess = ({ syntax, flow }: (typeof ROWS)[number]) => syntax.includes('imm(rs1)') && flow === 'straight';
const ADDI = instructionNamed('addi');
const STRAIGHT = ROWS.filter((row) => row.flow === 'straight' && !isAccess(row) && row.extension !== 'A');
const ACCESSES = ROWS.filter(isAccess);
const ATOMICS = ROWS.filter(({ extension, name }) => extension === 'A' && !/^(lr|sc)/.test(name));
const CSRS = ROWS.filter(({ extension }) => extension === 'Zicsr');
const BRANCHES = ROWS.filter(({ flow }) => flow === 'branch');
const INVERSE: Readonly<Record<string, string>> = {
  ...{ beq: 'bne', bne: 'beq', blt: 'bge', bge: 'blt', bltu: 'bgeu', bgeu: 'bltu' },
};
const SHORT_ROWS = COMPRESSED.filter(
  ({ target, name }) => !['jal', 'jalr', 'beq', 'bne', 'ebreak'].includes(target) && !/[sl][wd]/.test(name),
);

/** Numbers of words in the table, from TABLE on. */
const SWITCHES = { at: 0, count: 8, targets: 8 };
const HOLES = { at: 64, count: 32 };
const PATCHES = { at: 96, count: 24 };
const REMAPS = { at: 144, count: 24 };
const SATPS = { at: 192, count: 4 };
const STACK_AT = 200;
const STACK_SLOTS = 16;
/** So many pairs of words are taken in turn. */
const PAIRS = 8;
const TABLE_WORDS = STACK_AT + STACK_SLOTS;

/** Conditional branches reach 4 KiB: blocks this far apart always do. */
const NEAR_BLOCKS = 10;

function range(from: number, end: number): number[] {
  return Array.from({ length: end - from }, (_, i) => from + i);
}

export interface GraphOptions {
  readonly blocks: number;
  readonly fuel: number;
  /** Leaves room between some blocks, so that the code has several pages. */
  readonly spread: boolean;
  /**
   * Every change of code is followed by `fence.i`: without it the specification allows the old code as well as the new.
   * QEMU 7.2 runs old code behind an `sfence.vma`, too, to the end of its block.
   */
  readonly fenced: boolean;
}

export interface GraphProgram {
  readonly seed: number;
  readonly image: Image;
  /** The code as it is mapped first, from VIRTUAL_CODE on. */
  readonly code: Uint8Array;
}

/** Sizes of all kinds, most of them small. */
export function randomOptions(random: Random): GraphOptions {
  const blocks = random.oneIn(4) ? random.between(3, 12) : random.between(12, 90);
  const fuel = random.oneIn(8) ? random.between(1500, 4000) : random.between(100, 800);
  return { blocks, fuel, spread: random.oneIn(2), fenced: random.oneIn(2) };
}

interface Written {
  readonly code: Uint8Array;
  /** Virtual addresses. */
  readonly blocks: readonly number[];
  readonly holes: readonly number[];
  /** Of instructions that may be replaced. */
  readonly sites: readonly number[];
}

export function buildGraph(seed: number, given: Partial<GraphOptions> = {}): GraphProgram {
  const random = new Random(seed);
  const options = { ...randomOptions(random), ...given };
  const [first, second] = [0, 1].map((variant) => new Writer(new Random(seed ^ 0x5eed), options, variant).write());
  const pages = Math.ceil(first!.code.length / 4096);
  const frames = P.placeFrames(random, pages);
  const { image, state } = surroundings(random, first!, frames, options);
  const padded = [first!, second!].map(({ code }) => {
    const whole = new Uint8Array(pages * 4096);
    whole.set(code);
    return whole;
  });
  return {
    seed,
    code: first!.code,
    image: {
      segments: [...P.frameProgram(state), ...P.mapCode(frames, [padded[0]!, padded[1]!]), ...image],
      resultAddress: P.RESULT,
      resultBytes: frames.end - P.RESULT,
    },
  };
}

/** What the program finds in its registers and its table. */
function surroundings(random: Random, written: Written, frames: P.CodeFrames, { fuel }: GraphOptions) {
  const { blocks, holes, sites } = written;
  const physical = (address: number): number => {
    const offset = address - P.VIRTUAL_CODE;
    return random.pick(frames.variants[offset >>> 12]!) + (offset & 4095);
  };
  /** Through another address, if all of it lies in one page. */
  const somewhere = (address: number, width: number): number =>
    random.oneIn(2) || (address & 4095) + width > 4096 ? address : physical(address);
  const table: bigint[] = new Array(TABLE_WORDS).fill(0n);
  const fill = (at: number, count: number, value: () => number | bigint) => {
    for (let i = 0; i < count; i++) table[at + i] = BigInt(value());
  };
  const block = () => random.pick(blocks);
  // An indirect jump takes no notice of bit 0.
  fill(SWITCHES.at, SWITCHES.count * SWITCHES.targets, () => block() + (random.oneIn(4) ? 1 : 0));
  fill(STACK_AT, STACK_SLOTS, block);
  fill(HOLES.at, HOLES.count, () => somewhere(random.pick(holes), 8));
  for (let i = 0; i < PATCHES.count; i++) {
    table[PATCHES.at + 2 * i] = BigInt(somewhere(random.pick(sites), 4));
    table[PATCHES.at + 2 * i + 1] = BigInt(randomBits(ADDI, random, UNLINKED));
  }
  for (let i = 0; i < REMAPS.count; i++) {
    const page = random.below(frames.variants.length);
    table[REMAPS.at + 2 * i] = BigInt(P.codeEntry(random.below(P.SPACES), page));
    table[REMAPS.at + 2 * i + 1] = P.leafOf(random.pick(frames.variants[page]!));
  }
  [P.spaceSatp(0, 1), P.spaceSatp(1, 2), P.spaceSatp(0, 3), P.spaceSatp(1, 2)].forEach((satp, i) => {
    table[SATPS.at + i] = satp;
  });
  const x = fillWords(random, writeInteger);
  const roles: readonly (readonly [number, number])[] = [
    [0, 0],
    [LINK, block()],
    [STACK, P.WORDS + 8 * STACK_AT],
    [TABLE, P.WORDS],
    [BYTE_POINTER, P.VIRTUAL_DATA + 4096 + random.between(-50, 50)],
    [ALIGNED_POINTER, P.VIRTUAL_DATA + 8 * random.between(8, 500)],
    [EDGE_POINTER, P.VIRTUAL_DATA + P.DATA_BYTES - random.between(0, 300)],
    [P.FUEL, fuel],
  ];
  for (const [register, value] of roles) x[register] = BigInt(value);
  return { image: [P.words(P.WORDS, table)], state: { x, f: fillWords(random, writeFloat) } };
}

function fillWords(random: Random, write: typeof writeInteger): bigint[] {
  const words = new Uint32Array(64);
  for (let i = 0; i < 32; i++) write(random, words, 2 * i);
  return [...new BigUint64Array(words.buffer)];
}

/** Writes the code. Both variants draw the same, so that they differ in some immediates alone. */
class Writer {
  private readonly a = new Assembler(P.VIRTUAL_CODE);
  private readonly random: Random;
  private readonly options: GraphOptions;
  private readonly variant: number;
  private readonly starts: readonly CodeLabel[];
  private readonly exit: CodeLabel;
  private readonly holes: number[] = [];
  private readonly sites: number[] = [];

  constructor(random: Random, options: GraphOptions, variant: number) {
    this.random = random;
    this.options = options;
    this.variant = variant;
    this.starts = Array.from({ length: options.blocks }, () => this.a.label());
    this.exit = this.a.label();
  }

  write(): Written {
    const { a, random } = this;
    this.hole();
    this.replaceable();
    this.starts.forEach((start, index) => {
      if (this.options.spread && random.oneIn(5)) this.skipToPageEnd();
      a.place(start);
      for (let i = random.below(7); i > 0; i--) {
        this.addItem();
        this.nearPageEnd();
      }
      this.ending(index);
    });
    this.burn();
    a.to(this.starts[0]!, 'jal');
    a.place(this.exit);
    a.op('ecall');
    return { code: a.finish(), blocks: this.starts.map(({ at }) => at!), holes: this.holes, sites: this.sites };
  }

  /** What stands next begins near the end of a page, and most of it lies in the next one. */
  private skipToPageEnd(): void {
    const { a, random } = this;
    const over = a.label();
    a.to(over, 'jal');
    const left = random.between(1, 30) * 2;
    while ((a.address & 4095) !== 4096 - left) a.bits(0);
    a.place(over);
    this.nearPageEnd();
  }

  /** Instructions across pages come about more often than by chance. */
  private nearPageEnd(): void {
    const { a, random } = this;
    if ((a.address & 4095) === 4092 && random.oneIn(2)) a.bits(0x0001); // c.nop
    if ((a.address & 4095) === 4094) this.replaceable();
  }

  private addItem(): void {
    const { a, random } = this;
    const kind = random.below(100);
    if (kind < 30) a.bits(randomBits(random.pick(STRAIGHT), random, CHOICE));
    else if (kind < 42) this.short();
    else if (kind < 54) this.access();
    else if (kind < 58) this.walk();
    else if (kind < 61) this.atomic();
    else if (kind < 63) this.pair();
    else if (kind < 66) a.bits(randomBits(random.pick(CSRS), random, CHOICE));
    else if (kind < 74) this.replaceable();
    else if (kind < 78) this.overlap();
    else if (kind < 82) this.forward();
    else if (kind < 85) this.stack();
    else if (kind < 87) this.trap();
    else if (kind < 89) this.hole();
    else if (kind < 91) this.fillHole();
    else if (kind < 94) this.patch();
    else if (kind < 96) this.remap();
    else if (kind < 98) this.switchSpace();
    else if (kind < 99) this.floatState();
    else a.op(random.pick(['fence.i', 'sfence.vma', 'fence']));
  }

  /** A compressed instruction that writes no register with a role. */
  private short(): void {
    const { a, random } = this;
    for (;;) {
      const bits = randomCompressedBits(random.pick(SHORT_ROWS), random);
      if (!CHOICE.destinations.includes(decode(bits)!.rd)) continue;
      a.bits(bits);
      return;
    }
  }

  private access(): void {
    const { a, random } = this;
    const rs1 = random.pick([BYTE_POINTER, BYTE_POINTER, ALIGNED_POINTER, ALIGNED_POINTER, EDGE_POINTER]);
    const count = random.between(1, 3); // neighbours
    const near = random.between(-60, 60);
    for (let i = 0; i < count; i++) {
      a.bits(randomBits(random.pick(ACCESSES), random, CHOICE, { rs1, immediate: near + random.between(-8, 8) }));
    }
  }

  /** Through a pointer that moves, or is loaded. */
  private walk(): void {
    const { a, random } = this;
    a.op('addi', { rd: T0, rs1: BYTE_POINTER, immediate: random.between(-30, 30) });
    for (let i = random.between(2, 5); i > 0; i--) {
      const kind = random.below(8);
      if (kind < 5)
        a.bits(randomBits(random.pick(ACCESSES), random, UNLINKED, { rs1: T0, immediate: random.between(-8, 8) }));
      else if (kind < 7) a.op('addi', { rd: T0, rs1: T0, immediate: random.pick([8, 1, -8, 100, -4000, 4000]) });
      else a.op('ld', { rd: T0, rs1: T0, immediate: random.between(-8, 8) });
    }
  }

  private atomic(): void {
    this.a.bits(randomBits(this.random.pick(ATOMICS), this.random, CHOICE, { rs1: ALIGNED_POINTER }));
  }

  private pair(): void {
    const { a, random } = this;
    const width = random.pick(['.w', '.d']);
    a.bits(randomBits(instructionNamed(`lr${width}`), random, CHOICE, { rs1: ALIGNED_POINTER }));
    a.bits(randomBits(instructionNamed(`sc${width}`), random, CHOICE, { rs1: ALIGNED_POINTER }));
  }

  /** It is another one in the other variant, and may be changed while it runs. */
  private replaceable(): void {
    const { a, random } = this;
    this.sites.push(a.address);
    const variants = [0, 1].map(() => randomBits(ADDI, random, UNLINKED));
    a.bits(variants[this.variant]!);
  }

  /**
   * A jump, perhaps, into the middle of an instruction of 4 bytes. There begins one of 2 bytes, or one of 4 whose end
   * is one of 2 for those who did not jump: both ways come together behind it.
   */
  private overlap(): void {
    const { a, random } = this;
    const row = random.pick(BRANCHES);
    const [rd, hidden] = [random.pick(FREE), random.pick(FREE)];
    a.bits(randomBits(row, random, CHOICE, { immediate: 6 }));
    if (random.oneIn(2)) {
      a.bits(overlapping(rd, shortOf(random)));
      return;
    }
    const inner = overlapping(hidden, shortOf(random));
    a.bits(overlapping(rd, inner & 0xffff));
    a.bits(inner >>> 16);
  }

  /** Over a few instructions. */
  private forward(): void {
    const { a, random } = this;
    const skip = a.label();
    this.branch(skip, false);
    for (let i = random.below(4); i > 0; i--) a.bits(randomBits(random.pick(STRAIGHT), random, CHOICE));
    a.place(skip);
  }

  private stack(): void {
    const { a, random } = this;
    const immediate = 8 * random.below(STACK_SLOTS);
    if (random.oneIn(2)) a.op('sd', { rs1: STACK, rs2: LINK, immediate });
    else a.op('ld', { rd: LINK, rs1: STACK, immediate });
  }

  /** Something that raises, in 4 bytes. */
  private trap(): void {
    const { a, random } = this;
    const kind = random.below(3);
    if (kind === 0) a.op('ebreak');
    else if (kind === 1) a.bits(0xffff_ffff);
    else a.op('ld', { rd: random.pick(FREE), rs1: EDGE_POINTER, immediate: random.between(300, 2000) });
  }

  /** A word of data among the code. */
  private hole(): void {
    const { a, random } = this;
    const over = a.label();
    a.to(over, 'jal');
    this.holes.push(a.address);
    a.bits(((random.word() << 2) | 3) >>> 0);
    a.bits(((random.word() << 2) | 3) >>> 0);
    a.place(over);
  }

  private fromTable(rd: number, word: number): void {
    this.a.op('ld', { rd, rs1: TABLE, immediate: 8 * word });
  }

  /** T0 and T1: a pair of words of the table, another one each time. */
  private pairFromTable({ at, count }: { at: number; count: number }): void {
    const { a, random } = this;
    const first = at + 2 * random.below(count - PAIRS + 1);
    a.op('andi', { rd: T2, rs1: P.FUEL, immediate: PAIRS - 1 });
    a.op('slli', { rd: T2, rs1: T2, immediate: 1 });
    a.op('sh3add', { rd: T2, rs1: T2, rs2: TABLE });
    a.op('ld', { rd: T0, rs1: T2, immediate: 8 * first });
    a.op('ld', { rd: T1, rs1: T2, immediate: 8 * first + 8 });
  }

  private fillHole(): void {
    const { a, random } = this;
    this.fromTable(T0, HOLES.at + random.below(HOLES.count));
    a.op(random.pick(['sb', 'sh', 'sw', 'sd']), { rs1: T0, rs2: random.pick(FREE) });
    if (random.oneIn(2)) a.op(random.pick(['lbu', 'lh', 'lwu', 'ld']), { rd: random.pick(FREE), rs1: T0 });
  }

  /**
   * Another `addi` in the place of one, whole or in part: any mixture of two is one too, with the destination of one of
   * them.
   */
  private patch(): void {
    const { a, random } = this;
    this.pairFromTable(PATCHES);
    const first = random.pick([0, 0, 0, 2, 3]);
    if (first > 0) a.op('srli', { rd: T1, rs1: T1, immediate: 8 * first });
    const name = first === 3 ? 'sb' : first === 2 ? 'sh' : random.pick(['sw', 'sh']);
    a.op(name, { rs1: T0, rs2: T1, immediate: first });
    this.fence();
  }

  private remap(): void {
    const { a } = this;
    this.pairFromTable(REMAPS);
    a.op('sd', { rs1: T0, rs2: T1 });
    a.op('sfence.vma');
    this.fence();
  }

  private fence(): void {
    if (this.options.fenced || this.random.oneIn(2)) this.a.op('fence.i');
  }

  private switchSpace(): void {
    this.fromTable(T0, SATPS.at + this.random.below(SATPS.count));
    this.a.csrw(0x180, T0);
  }

  /** Floating point off, or on and not dirty. */
  private floatState(): void {
    const { a, random } = this;
    a.li(T0, 3n << 13n);
    a.op('csrrc', { rs1: T0, immediate: 0x100 });
    a.li(T0, BigInt(random.pick([0, 1, 1, 2, 3])) << 13n);
    a.op('csrrs', { rs1: T0, immediate: 0x100 });
  }

  private branch(to: CodeLabel, far: boolean): void {
    const { a, random } = this;
    const { name } = random.pick(BRANCHES);
    if (!random.oneIn(3)) {
      // Now this way, now that: what is computed tends to become the same every time.
      const bit = 1 << random.below(6);
      a.op('andi', { rd: T0, rs1: P.FUEL, immediate: bit });
      if (random.oneIn(2)) this.branchOn(random.pick(['beq', 'bne']), { rs1: T0 }, to, far);
      else {
        a.op('andi', { rd: T1, rs1: random.pick(FREE), immediate: 2 * bit - 1 });
        this.branchOn(name, { rs1: T0, rs2: T1 }, to, far);
      }
      return;
    }
    this.branchOn(name, { rs1: random.pick(FREE), rs2: random.pick([0, ...FREE]) }, to, far);
  }

  private branchOn(name: string, operands: { rs1: number; rs2?: number }, to: CodeLabel, far: boolean): void {
    const { a } = this;
    if (!far) {
      a.to(to, name, operands);
      return;
    }
    const over = a.label();
    a.to(over, INVERSE[name]!, operands);
    a.to(to, 'jal');
    a.place(over);
  }

  /** Takes fuel; without any the program ends. */
  private burn(): void {
    const { a } = this;
    const on = a.label();
    a.op('addi', { rd: P.FUEL, rs1: P.FUEL, immediate: -1 });
    a.to(on, 'bge', { rs1: P.FUEL });
    a.to(this.exit, 'jal');
    a.place(on);
  }

  private target(): number {
    return this.random.below(this.options.blocks);
  }

  private ending(index: number): void {
    const { a, random } = this;
    const kind = random.below(100);
    if (kind < 20) return; // falls into the next block
    const target = this.target();
    if (kind < 60) {
      const far = this.options.spread || Math.abs(target - index) > NEAR_BLOCKS;
      if (target <= index && random.oneIn(2)) this.tightLoop(this.starts[target]!, far && target !== index);
      else {
        if (target <= index) this.burn();
        this.branch(this.starts[target]!, far);
      }
      return;
    }
    if (kind < 70 && target > index) {
      a.to(this.starts[target]!, 'jal');
      return;
    }
    this.burn();
    this.sometimesGoOn(index);
    if (kind < 70) a.to(this.starts[target]!, 'jal');
    else if (kind < 78) this.switch();
    else if (kind < 88) this.call(target);
    else this.return();
  }

  /** To the next block, every other time or so: else most programs would soon go round in a small circle. */
  private sometimesGoOn(index: number): void {
    const { a, random } = this;
    const next = this.starts[(index + 1) % this.starts.length]!;
    a.op('andi', { rd: T0, rs1: P.FUEL, immediate: 1 << random.below(5) });
    this.branchOn(random.pick(['beq', 'bne']), { rs1: T0 }, next, this.options.spread);
  }

  /** To where the last call came from, or to some place that was saved. */
  private return(): void {
    const { a, random } = this;
    if (random.oneIn(2)) {
      a.op('andi', { rd: T0, rs1: P.FUEL, immediate: 8 * (STACK_SLOTS - 1) });
      a.op('add', { rd: T0, rs1: T0, rs2: STACK });
      a.op('ld', { rd: LINK, rs1: T0 });
    }
    if (random.oneIn(2))
      a.bits(0x8082); // c.jr ra
    else a.op('jalr', { rs1: LINK });
  }

  /** Back a few times: never without fuel. */
  private tightLoop(to: CodeLabel, far: boolean): void {
    const { a, random } = this;
    a.op('addi', { rd: P.FUEL, rs1: P.FUEL, immediate: -1 });
    a.op('andi', { rd: T0, rs1: P.FUEL, immediate: random.pick([1, 3, 7, 15, 63]) });
    a.op('srai', { rd: T1, rs1: P.FUEL, immediate: 63 });
    a.op('andn', { rd: T0, rs1: T0, rs2: T1 });
    this.branchOn('bne', { rs1: T0 }, to, far);
  }

  private switch(): void {
    const { a, random } = this;
    const table = SWITCHES.at + SWITCHES.targets * random.below(SWITCHES.count);
    a.op('srli', { rd: T0, rs1: random.oneIn(4) ? random.pick(FREE) : P.FUEL, immediate: random.below(4) });
    a.op('andi', { rd: T0, rs1: T0, immediate: random.pick([1, 3, 7, 7]) });
    a.op('sh3add', { rd: T0, rs1: T0, rs2: TABLE });
    a.op('ld', { rd: T0, rs1: T0, immediate: 8 * table });
    const immediate = random.oneIn(3) ? random.between(-20, 20) : 0;
    if (immediate !== 0) a.op('addi', { rd: T0, rs1: T0, immediate: -immediate });
    a.op('jalr', { rs1: T0, immediate });
  }

  private call(target: number): void {
    const { a, random } = this;
    if (random.oneIn(2)) a.to(this.starts[target]!, 'jal', { rd: LINK });
    else {
      this.fromTable(T2, SWITCHES.at + random.below(SWITCHES.count * SWITCHES.targets));
      a.op('jalr', { rd: random.oneIn(4) ? random.pick(FREE) : LINK, rs1: T2 });
    }
  }
}

/** `lui` whose upper halfword is given. */
function overlapping(rd: number, upper: number): number {
  return (((upper & 0xffff) << 16) | encodeNamed('lui', { rd, immediate: 0 })) >>> 0;
}

/** A compressed instruction on a register without a role: c.addi or c.mv or c.xor. */
function shortOf(random: Random): number {
  for (;;) {
    const row = random.pick(SHORT_ROWS);
    const bits = randomCompressedBits(row, random);
    if (FREE.includes(decode(bits)!.rd)) return bits;
  }
}
