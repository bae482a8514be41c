import type { Random } from '../../src/isa/generate/random.ts';
import { encodeNamed } from '../../src/isa/index.ts';
import { Assembler } from './assembler.ts';
import * as I from './image.ts';
import { finish } from './runner.ts';
import { PTE, pte, satpOf } from './tables.ts';

/**
 * One long program in S-mode that changes page tables, fences as the specification asks for, and looks at memory
 * through them: loads, stores, atomics, calls into pages of code, code that is patched through another address. Every
 * value and every fault goes into a log, so that the first line that differs tells which step went wrong.
 */

/** Address spaces with tables of their own. */
const SPACES = 4;
/** The last one goes by many ASIDs and its tables never change. */
const STEADY = SPACES - 1;
const PAGES = 16;
const SUPERPAGES = 3;

const LOG = I.RECORDS;
const LOG_LINES = 100_000;
const TARGETS = I.RAM + 0x40_0000;
const TARGET_PAGES = 64;
const HANDLER = I.RUNNER + 0x1000;
/** The trap handler of M-mode. */
const THE_END = I.RUNNER + 0x2000;

const root = (space: number) => I.TABLES + space * 0x3000;
const middle = (space: number) => root(space) + 0x1000;
const bottom = (space: number) => root(space) + 0x2000;

/** Under root entry 4: small pages, then superpages; root entry 5 is a gigapage. */
const BASE = 0x1_0000_0000;
const SUPER = BASE + 0x20_0000;
const GIGA = 0x1_4000_0000;
const GIGA_OFFSET = TARGETS - 0x8000_0000;

const DATA = PTE.V | PTE.A | PTE.D;
const CSR = { sstatus: 0x100, stvec: 0x105, sepc: 0x141, scause: 0x142, stval: 0x143, satp: 0x180 };
const MACHINE = { mstatus: 0x300, medeleg: 0x302, mtvec: 0x305, mepc: 0x341, pmpcfg0: 0x3a0, pmpaddr0: 0x3b0 };
const SUM = 1 << 18;
const MXR = 1 << 19;

/** Roles of registers: x5 to x7 work, x8 is what is logged. */
const LINK = 1;
const T0 = 5;
const T1 = 6;
const T2 = 7;
const SEEN = 8;
const LOG_POINTER = 10;

export interface CoherenceProgram {
  readonly image: I.Image;
  /** What each step does, and its program counter. */
  readonly steps: readonly { readonly pc: number; readonly text: string }[];
}

/** Offsets in the log: pc of the step, then value or cause, then stval. */
export const LOG_LINE_WORDS = 3;

class Program {
  readonly a = new Assembler(I.CODE);
  readonly steps: { pc: number; text: string }[] = [];
  private readonly random: Random;
  /** Whose table of small pages each space uses. */
  private readonly pointers: (number | undefined)[] = Array.from({ length: SPACES }, (_, space) => space);

  private readonly updates: boolean;

  constructor(random: Random, updates: boolean) {
    this.random = random;
    this.updates = updates;
  }

  add(): void {
    const { random } = this;
    const kind = random.below(100);
    if (this.updates && random.oneIn(6)) this.look();
    else if (kind < 30) this.load();
    else if (kind < 42) this.store();
    else if (kind < 58) this.call();
    else if (kind < 62) this.patch();
    else if (kind < 78) this.changeLeaf();
    else if (kind < 80) this.changePointer();
    else if (kind < 92) this.switchSpace();
    else if (kind < 97) this.toggle();
    else this.atomic();
  }

  private step(text: string): void {
    this.steps.push({ pc: this.a.address, text });
  }

  /** A mapped address: base of the page or superpage it is in, and the address. */
  private place(): number {
    const { random } = this;
    const kind = random.below(8);
    const inTargets = random.below(TARGET_PAGES) * 4096;
    if (kind < 5) return BASE + random.below(PAGES) * 4096;
    if (kind < 7) return SUPER + random.below(SUPERPAGES) * 0x20_0000 + inTargets;
    return GIGA + GIGA_OFFSET + inTargets;
  }

  private dataOffset(): number {
    const { random } = this;
    return random.oneIn(6) ? random.between(4089, 4095) : random.between(8, 500) * 8;
  }

  /** Logs x8, with this place as the line's number. */
  private log(): void {
    const { a } = this;
    a.op('auipc', { rd: T2 });
    a.op('sd', { rs1: LOG_POINTER, rs2: T2 });
    a.op('sd', { rs1: LOG_POINTER, rs2: SEEN, immediate: 8 });
    a.op('addi', { rd: LOG_POINTER, rs1: LOG_POINTER, immediate: 8 * LOG_LINE_WORDS });
  }

  private load(): void {
    const { a, random } = this;
    const address = this.place() + this.dataOffset();
    const name = random.pick(['ld', 'lw', 'lbu', 'lhu']);
    this.step(`${name} ${address.toString(16)}`);
    a.li(T0, BigInt(address));
    a.li(SEEN, -1n);
    a.op(name, { rd: SEEN, rs1: T0 });
    this.log();
  }

  private store(): void {
    const { a, random } = this;
    // Never across a page's end: functions begin there.
    const address = this.place() + random.between(8, 500) * 8;
    const name = random.pick(['sd', 'sw', 'sb']);
    this.step(`${name} ${address.toString(16)}`);
    a.li(T0, BigInt(address));
    a.li(T1, random.long());
    a.op(name, { rs1: T0, rs2: T1 });
  }

  private atomic(): void {
    const { a, random } = this;
    const address = this.place() + random.between(8, 500) * 8;
    this.step(`amoadd.d ${address.toString(16)}`);
    a.li(T0, BigInt(address));
    if (this.updates) {
      // QEMU with one hart loads first, which sets A even where an AMO faults: here both do.
      a.op('lbu', { rd: SEEN, rs1: T0 });
      a.li(T0, BigInt(address));
    }
    a.li(SEEN, random.long());
    a.op('amoadd.d', { rd: SEEN, rs1: T0, rs2: SEEN });
    this.log();
  }

  /** Calls the function at the start of a page, which gives its number. */
  private call(): void {
    const { a } = this;
    const address = this.place();
    this.step(`call ${address.toString(16)}`);
    a.li(T0, BigInt(address));
    a.li(SEEN, -1n);
    a.op('jalr', { rd: LINK, rs1: T0 });
    this.log();
  }

  /** Changes the number that a page's function gives. */
  private patch(): void {
    const { a, random } = this;
    const address = this.place();
    this.step(`patch ${address.toString(16)}`);
    a.li(T0, BigInt(address));
    a.li(T1, BigInt(encodeNamed('addi', { rd: SEEN, immediate: random.between(-2048, 2047) })));
    a.op('sw', { rs1: T0, rs2: T1 });
    a.op('fence.i');
  }

  /** Logs an entry, with the A and D that it has come to. */
  private look(): void {
    const { a, random } = this;
    const space = random.below(SPACES);
    const index = random.below(PAGES + SUPERPAGES);
    const at = index < PAGES ? bottom(space) + 8 * index : middle(space) + 8 * (index - PAGES + 1);
    this.step(`look at entry ${at.toString(16)}`);
    a.li(T0, BigInt(at));
    a.op('ld', { rd: SEEN, rs1: T0 });
    this.log();
  }

  private changeable(): number {
    return this.random.below(STEADY);
  }

  private changeLeaf(): void {
    const { random } = this;
    const space = this.changeable();
    const superpage = random.oneIn(5);
    const index = random.below(superpage ? SUPERPAGES : PAGES);
    const at = superpage ? middle(space) + 8 * (index + 1) : bottom(space) + 8 * index;
    const address = superpage ? SUPER + index * 0x20_0000 + random.below(512) * 4096 : BASE + index * 4096;
    const value = superpage ? superpageLeaf(random, this.updates) : leaf(random, this.updates);
    this.step(`entry ${at.toString(16)} = ${value.toString(16)}`);
    this.writeEntry(at, value);
    const users = this.pointers.flatMap((table, user) => (table === space ? [user] : []));
    this.fence(address, superpage ? [space] : users);
  }

  private writeEntry(at: number, value: bigint): void {
    const { a } = this;
    a.li(T0, BigInt(at));
    a.li(T1, value);
    a.op('sd', { rs1: T0, rs2: T1 });
  }

  /** One of the fences that are enough for a leaf (12.2.1). Those with an ASID serve one space only. */
  private fence(address: number, spaces: readonly number[]): void {
    const { a, random } = this;
    const byAddress = random.oneIn(2);
    const byAsid = spaces.length === 1 && random.oneIn(2);
    a.li(T0, BigInt(address));
    a.li(T1, BigInt(asidOf(spaces[0] ?? 0)));
    const name = random.oneIn(4) ? 'sinval.vma' : 'sfence.vma';
    a.op(name, { rs1: byAddress ? T0 : 0, rs2: byAsid ? T1 : 0 });
  }

  /** Another small-page table, or none, under the first middle entry. */
  private changePointer(): void {
    const { a, random } = this;
    const space = this.changeable();
    const table = random.oneIn(3) ? undefined : random.below(STEADY);
    const value = table === undefined ? 0n : pte(bottom(table), PTE.V);
    this.pointers[space] = table;
    this.step(`pointer of space ${space} = ${value.toString(16)}`);
    this.writeEntry(middle(space), value);
    a.op('sfence.vma');
  }

  private switchSpace(): void {
    const { a, random } = this;
    const space = random.below(SPACES);
    const asid = space === STEADY ? 100 + random.below(150) : asidOf(space);
    this.step(`space ${space}, asid ${asid}`);
    a.li(T0, satpOf('sv39', root(space), BigInt(asid)));
    a.csrw(CSR.satp, T0);
  }

  private toggle(): void {
    const { a, random } = this;
    const bits = random.pick([SUM, MXR, SUM | MXR]);
    const name = random.pick(['csrrs', 'csrrc']);
    this.step(`${name} sstatus ${bits.toString(16)}`);
    a.li(T0, BigInt(bits));
    a.op(name, { rs1: T0, immediate: CSR.sstatus });
  }
}

const asidOf = (space: number): number => space + 1;

const some = (random: Random, bits: bigint): bigint => random.long() & bits;

function leafBits(random: Random): bigint {
  if (random.oneIn(12)) return some(random, 0xffn);
  const usual = PTE.R | PTE.W | PTE.X;
  const permissions = random.oneIn(2) ? usual : some(random, usual);
  return DATA | permissions | (random.oneIn(3) ? PTE.U : 0n);
}

function leaf(random: Random, updates: boolean): bigint {
  return pte(TARGETS + random.below(TARGET_PAGES) * 4096, comparable(leafBits(random), random, updates));
}

function superpageLeaf(random: Random, updates: boolean): bigint {
  return pte(TARGETS, comparable(leafBits(random), random, updates));
}

/**
 * A and D set, or any of the two with `updates`. Not global: fences by ASID have to reach it. Pages of U-mode are not
 * executable: S-mode may never run them (12.3.1), but QEMU does once a load under SUM has put them into its TLB.
 */
function comparable(bits: bigint, random: Random, updates: boolean): bigint {
  const clear = updates ? some(random, PTE.A | PTE.D) : 0n;
  const flags = (bits | PTE.A | PTE.D) & ~PTE.G & ~clear;
  return flags & PTE.U ? flags & ~PTE.X : flags;
}

function word(address: number, ...values: bigint[]): I.Segment {
  return { address, data: new Uint8Array(BigUint64Array.from(values).buffer) };
}

function tables(random: Random, updates: boolean): I.Segment[] {
  const all = DATA | PTE.R | PTE.W | PTE.X;
  return Array.from({ length: SPACES }, (_, space) => space).flatMap((space) => [
    // RAM itself is global: the program runs there in every space.
    word(root(space) + 16, pte(I.RAM, all | PTE.G)),
    word(
      root(space) + 32,
      pte(middle(space), PTE.V),
      pte(I.RAM, comparable(all | (random.oneIn(2) ? PTE.U : 0n), random, updates)),
    ),
    word(
      middle(space),
      pte(bottom(space), PTE.V),
      ...Array.from({ length: SUPERPAGES }, () => superpageLeaf(random, updates)),
    ),
    word(bottom(space), ...Array.from({ length: PAGES }, () => leaf(random, updates))),
  ]);
}

/** Each page begins with a function that gives the page's number; the rest says where it is. */
function targets(): I.Segment {
  const words = new Uint32Array((TARGET_PAGES * 4096) / 4);
  for (let i = 0; i < words.length; i++) words[i] = (0x5a << 24) | i;
  for (let page = 0; page < TARGET_PAGES; page++) {
    words[page * 1024] = encodeNamed('addi', { rd: SEEN, immediate: page });
    words[page * 1024 + 1] = encodeNamed('jalr', { rs1: LINK });
  }
  return { address: TARGETS, data: new Uint8Array(words.buffer) };
}

/** In M-mode: delegates everything but the last `ecall`, and goes to the program in S-mode. */
function buildStart(): I.Segment {
  const a = new Assembler(I.RUNNER);
  a.li(T0, (1n << 54n) - 1n);
  a.csrw(MACHINE.pmpaddr0, T0);
  a.li(T0, 0x1fn);
  a.csrw(MACHINE.pmpcfg0, T0);
  a.li(T0, 0xb1ffn);
  a.csrw(MACHINE.medeleg, T0);
  a.li(T0, BigInt(HANDLER));
  a.csrw(CSR.stvec, T0);
  a.li(T0, satpOf('sv39', root(0), BigInt(asidOf(0))));
  a.csrw(CSR.satp, T0);
  a.li(T0, BigInt(I.CODE));
  a.csrw(MACHINE.mepc, T0);
  a.li(T0, 1n << 11n);
  a.csrw(MACHINE.mstatus, T0);
  a.li(T0, BigInt(THE_END));
  a.csrw(MACHINE.mtvec, T0);
  a.li(LOG_POINTER, BigInt(LOG));
  a.op('sfence.vma');
  a.op('mret');
  return { address: I.RUNNER, data: a.finish() };
}

function buildEnd(): I.Segment {
  const a = new Assembler(THE_END);
  finish(a);
  return { address: THE_END, data: a.finish() };
}

/** In S-mode: logs cause and value, then goes on behind the instruction, or where a fetch was called from. */
function buildHandler(): I.Segment {
  const a = new Assembler(HANDLER);
  a.csrr(T1, CSR.sepc);
  a.csrr(T2, CSR.scause);
  a.op('sd', { rs1: LOG_POINTER, rs2: T1 });
  a.op('sd', { rs1: LOG_POINTER, rs2: T2, immediate: 8 });
  a.csrr(T0, CSR.stval);
  a.op('sd', { rs1: LOG_POINTER, rs2: T0, immediate: 16 });
  a.op('addi', { rd: LOG_POINTER, rs1: LOG_POINTER, immediate: 8 * LOG_LINE_WORDS });
  a.op('addi', { rd: T1, rs1: T1, immediate: 4 });
  // Fetch faults, and what is no instruction: back to the caller.
  const skip = a.label();
  for (const cause of [0, 1, 2, 12]) {
    const other = a.label();
    a.op('addi', { rd: T0, immediate: cause });
    a.to(other, 'bne', { rs1: T0, rs2: T2 });
    a.op('addi', { rd: T1, rs1: LINK });
    a.to(skip, 'jal');
    a.place(other);
  }
  a.place(skip);
  a.csrw(CSR.sepc, T1);
  a.op('sret');
  return { address: HANDLER, data: a.finish() };
}

/** With `updates` entries begin with A and D clear, too: the hart sets them. */
export function buildCoherence(random: Random, steps: number, updates: boolean): CoherenceProgram {
  const program = new Program(random, updates);
  for (let i = 0; i < steps; i++) program.add();
  program.a.op('ecall'); // from S-mode, the only exception that is not delegated
  const code = program.a.finish();
  if (I.CODE + code.length > TARGETS) throw new Error('the program is too long');
  return {
    steps: program.steps,
    image: {
      segments: [
        buildStart(),
        buildEnd(),
        buildHandler(),
        { address: I.CODE, data: code },
        targets(),
        ...tables(random, updates),
      ],
      resultAddress: LOG,
      resultBytes: LOG_LINES * LOG_LINE_WORDS * 8,
    },
  };
}

/** The first line of the log that differs, in words. */
export function firstDifference({ steps }: CoherenceProgram, ours: Uint8Array, theirs: Uint8Array): string | undefined {
  const [a, b] = [ours, theirs].map((bytes) => new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8));
  const lines = a!.length / LOG_LINE_WORDS;
  let step = 0;
  for (let line = 0; line < lines; line++) {
    const [mine, other] = [a!, b!].map((log) => log.subarray(line * LOG_LINE_WORDS, (line + 1) * LOG_LINE_WORDS));
    const pc = mine![0]!;
    if (pc === 0n && other![0] === 0n) return undefined;
    // Faults of fetches have the address that was called.
    while (pc >= BigInt(I.CODE) && pc < BigInt(TARGETS) && step + 1 < steps.length && steps[step + 1]!.pc <= pc) step++;
    if (isSame(mine!, other!, steps[step]?.text ?? '')) continue;
    const show = (words: BigUint64Array) => [...words].map((value) => value.toString(16)).join(' ');
    const before = steps
      .slice(Math.max(0, step - 12), step + 3)
      .map(({ pc, text }) => `    ${pc.toString(16)}: ${text}`);
    return [`line ${line}: godwit ${show(mine!)}, qemu ${show(other!)}`, ...before].join('\n');
  }
  return undefined;
}

/**
 * 3.1.16: a fault of an access across pages may be reported for any of its bytes. Table 14: QEMU's AMOs fault as loads
 * do.
 */
function isSame(ours: BigUint64Array, theirs: BigUint64Array, text: string): boolean {
  const isAmoFault = text.startsWith('amo') && (ours[1] === 15n || ours[1] === 7n) && theirs[1] === ours[1] - 2n;
  if (ours[0] !== theirs[0] || (ours[1] !== theirs[1] && !isAmoFault)) return false;
  const apart = ours[2]! - theirs[2]!;
  return apart > -8n && apart < 8n;
}
