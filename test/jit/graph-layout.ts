import type { Random } from '../../src/isa/generate/index.ts';
import { Assembler } from '../differential/assembler.ts';
import * as I from '../differential/image.ts';
import { finish } from '../differential/runner.ts';
import { PTE, pte, satpOf } from '../differential/tables.ts';

/**
 * Where the parts of a generated program (graph-program.ts) lie. It runs in S-mode under Sv39, in two address spaces,
 * which map the pages of its code to frames that do not lie together:
 *
 *     RUNNER          start and end, in M-mode; the handler of traps, in S-mode
 *     TABLES          page tables
 *     RESULT          the registers at the end
 *       +0x1000       frames of the data
 *       +0x4000       words that the program uses: stack, tables of addresses
 *       +0x10000      frames of the code: two for each page, of variants that differ in some constants
 */
export const RESULT = I.CODE;
const DATA_FRAMES = [RESULT + 0x3000, RESULT + 0x1000];
export const WORDS = RESULT + 0x4000;
const CODE_FRAMES = RESULT + 0x1_0000;

/** Virtual addresses. What lies behind the two pages of data is not mapped. */
export const VIRTUAL_CODE = 0x5000_0000;
export const VIRTUAL_DATA = 0x5100_0000;
export const DATA_BYTES = 4096 * DATA_FRAMES.length;

const HANDLER = I.RUNNER + 0x1000;
const THE_END = I.RUNNER + 0x2000;
export const SPACES = 2;
const root = (space: number): number => I.TABLES + space * 0x4000;
const middle = (space: number): number => root(space) + 0x1000;
const codeTable = (space: number): number => root(space) + 0x2000;
const DATA_TABLE = I.TABLES + 0x3000;

/** The entry that maps a page of code. */
export const codeEntry = (space: number, page: number): number => codeTable(space) + 8 * page;

const LEAF = PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D;
export const leafOf = (frame: number): bigint => pte(frame, LEAF);
export const spaceSatp = (space: number, asid: number): bigint => satpOf('sv39', root(space), BigInt(asid));

const CSR = { fcsr: 3, stvec: 0x105, sscratch: 0x140, sepc: 0x141, satp: 0x180 };
const MACHINE = {
  mstatus: 0x300,
  medeleg: 0x302,
  mtvec: 0x305,
  mscratch: 0x340,
  mepc: 0x341,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
};
const FS_INITIAL = 1n << 13n;
const MPP_S = 1n << 11n;
/** All exceptions but calls from S-mode, which end the program. */
const DELEGATED = 0xb1ffn;

export const FUEL = 27;
const BASE = 31;

export interface CodeFrames {
  /** By page: the frames of its variants. */
  readonly variants: readonly (readonly [number, number])[];
  /** Behind the last frame. */
  readonly end: number;
}

/** Gives each page of code two frames, no two of them for pages that follow each other. */
export function placeFrames(random: Random, pages: number): CodeFrames {
  const slots = Array.from({ length: 4 * pages }, (_, i) => i);
  for (let i = slots.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [slots[i], slots[j]] = [slots[j]!, slots[i]!];
  }
  const frame = (slot: number) => CODE_FRAMES + slots[slot]! * 4096;
  return {
    variants: Array.from({ length: pages }, (_, page) => [frame(2 * page), frame(2 * page + 1)] as const),
    end: CODE_FRAMES + slots.length * 4096,
  };
}

export function words(address: number, values: readonly bigint[]): I.Segment {
  return { address, data: new Uint8Array(BigUint64Array.from(values, (value) => BigInt.asUintN(64, value)).buffer) };
}

/** Each page of code in its own frames, and tables in which space 0 has the first variants and space 1 the second. */
export function mapCode(frames: CodeFrames, variants: readonly [Uint8Array, Uint8Array]): I.Segment[] {
  const pages = frames.variants.flatMap((pair, page) =>
    pair.map((address, v) => ({ address, data: variants[v]!.slice(page * 4096, (page + 1) * 4096) })),
  );
  const spaces = Array.from({ length: SPACES }, (_, space) => space).flatMap((space) => [
    words(root(space) + 8, [pte(middle(space), PTE.V), pte(I.RAM, LEAF | PTE.G)]),
    words(middle(space) + 8 * ((VIRTUAL_CODE >>> 21) & 511), [pte(codeTable(space), PTE.V)]),
    words(middle(space) + 8 * ((VIRTUAL_DATA >>> 21) & 511), [pte(DATA_TABLE, PTE.V)]),
    words(
      codeTable(space),
      frames.variants.map((pair) => leafOf(pair[space]!)),
    ),
  ]);
  return [...pages, ...spaces, words(DATA_TABLE, DATA_FRAMES.map(leafOf))];
}

export interface StartState {
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
}

/** The parts that are the same for all programs. `f` and `x` are loaded from words behind the start. */
export function frameProgram(state: StartState): I.Segment[] {
  return [start(state), handler(), end()];
}

function start({ x, f }: StartState): I.Segment {
  const a = new Assembler(I.RUNNER);
  const state = I.RUNNER + 0x800;
  const set = (csr: number, value: bigint) => {
    a.li(BASE, value);
    a.csrw(csr, BASE);
  };
  set(MACHINE.pmpaddr0, (1n << 54n) - 1n);
  set(MACHINE.pmpcfg0, 0x1fn);
  set(MACHINE.medeleg, DELEGATED);
  set(MACHINE.mtvec, BigInt(THE_END));
  set(MACHINE.mepc, BigInt(VIRTUAL_CODE));
  set(MACHINE.mstatus, MPP_S | FS_INITIAL);
  set(CSR.stvec, BigInt(HANDLER));
  set(CSR.satp, spaceSatp(0, 1));
  a.op('sfence.vma');
  a.li(BASE, BigInt(state));
  for (let i = 0; i < 32; i++) a.op('fld', { rd: i, rs1: BASE, immediate: 256 + 8 * i });
  for (let i = 1; i < 32; i++) a.op('ld', { rd: i, rs1: BASE, immediate: 8 * i });
  a.op('mret');
  const code = new Uint8Array(0x800 + 512);
  code.set(a.finish());
  code.set(words(0, [...x, ...f]).data, 0x800);
  return { address: I.RUNNER, data: code };
}

/** Goes on behind the instruction that trapped, which has 4 bytes, and takes some fuel. */
function handler(): I.Segment {
  const a = new Assembler(HANDLER);
  a.op('csrrw', { rd: BASE, rs1: BASE, immediate: CSR.sscratch });
  a.csrr(BASE, CSR.sepc);
  a.op('addi', { rd: BASE, rs1: BASE, immediate: 4 });
  a.csrw(CSR.sepc, BASE);
  a.op('addi', { rd: FUEL, rs1: FUEL, immediate: -1 });
  a.op('csrrw', { rd: BASE, rs1: BASE, immediate: CSR.sscratch });
  a.op('sret');
  return { address: HANDLER, data: a.finish() };
}

/** Stores the registers and powers off. */
function end(): I.Segment {
  const a = new Assembler(THE_END);
  a.csrw(MACHINE.mscratch, BASE);
  a.li(BASE, BigInt(RESULT));
  for (let i = 1; i < BASE; i++) a.op('sd', { rs1: BASE, rs2: i, immediate: 8 * i });
  a.csrr(1, MACHINE.mscratch);
  a.op('sd', { rs1: BASE, rs2: 1, immediate: 8 * BASE });
  a.li(1, FS_INITIAL);
  a.op('csrrs', { rs1: 1, immediate: MACHINE.mstatus });
  a.csrr(1, CSR.fcsr);
  a.op('sd', { rs1: BASE, rs2: 1 });
  for (let i = 0; i < 32; i++) a.op('fsd', { rs1: BASE, rs2: i, immediate: 256 + 8 * i });
  finish(a);
  return { address: THE_END, data: a.finish() };
}
