import { Assembler } from './assembler.ts';
import * as I from './image.ts';
import * as R from './record.ts';

const CSR = { mstatus: 0x300, mtvec: 0x305, mscratch: 0x340, mepc: 0x341, mcause: 0x342, mtval: 0x343, fcsr: 3 };
const PMPCFG0 = 0x3a0;
const PMPADDR0 = 0x3b0;
const SATP = 0x180;
const FS_ON = 1 << 13;
/** Points to the record throughout. */
const P = 31;

export interface RunnerOptions {
  /** Translation for cases that run below M. */
  readonly satp: bigint;
  /** Physical address of the scratch memory behind the edge. */
  readonly scratchHigh: number;
}

export const BARE: RunnerOptions = { satp: 0n, scratchHigh: I.SCRATCH_EDGE };

/**
 * The program around the cases: for each record it sets the whole state, returns into the case with `mret`, and saves
 * the whole state at the trap that ends it. Every case ends with some trap.
 */
export function buildRunner({ satp, scratchHigh }: RunnerOptions): Uint8Array {
  const a = new Assembler(I.RUNNER);
  const next = a.label();
  const finished = a.label();
  const handler = a.label();
  setUp(a, satp);
  a.li(P, BigInt(I.RECORDS));
  const start = a.label();
  a.to(start, 'jal');
  a.align(4);
  a.place(handler);
  saveState(a, scratchHigh);
  a.op('addi', { rd: P, rs1: P, immediate: R.RECORD_BYTES });
  a.place(start);
  a.li(1, BigInt(I.RECORDS_END));
  a.op('ld', { rd: 1, rs1: 1 });
  a.to(finished, 'beq', { rs1: P, rs2: 1 });
  a.place(next);
  a.csrw(CSR.mscratch, P);
  setHandler(a, handler.at!);
  restoreState(a, scratchHigh);
  a.op('mret');
  a.place(finished);
  finish(a);
  return a.finish();
}

function setUp(a: Assembler, satp: bigint): void {
  a.li(1, (1n << 54n) - 1n);
  a.csrw(PMPADDR0, 1);
  a.li(1, 0x1fn);
  a.csrw(PMPCFG0, 1);
  a.li(1, satp);
  a.csrw(SATP, 1);
  a.op('sfence.vma');
}

function setHandler(a: Assembler, address: number): void {
  a.li(1, BigInt(address));
  a.csrw(CSR.mtvec, 1);
}

function restoreState(a: Assembler, high: number): void {
  a.li(1, BigInt(FS_ON));
  a.op('csrrs', { rs1: 1, immediate: CSR.mstatus });
  a.op('ld', { rd: 1, rs1: P, immediate: 8 * R.R_FCSR });
  a.csrw(CSR.fcsr, 1);
  for (let i = 0; i < 32; i++) a.op('fld', { rd: i, rs1: P, immediate: 8 * (R.R_F + i) });
  scratch(a, high, (word, offset) => {
    a.op('ld', { rd: 1, rs1: P, immediate: 8 * (R.R_SCRATCH + word) });
    a.op('sd', { rs2: 1, rs1: 2, immediate: offset });
  });
  // Gives up a reservation that an earlier case left, somewhere else.
  a.op('addi', { rd: 2, rs1: 2, immediate: 1024 });
  a.op('sc.d', { rd: 0, rs1: 2, rs2: 0 });
  R.SUPERVISOR_CSRS.forEach((csr, i) => {
    a.op('ld', { rd: 1, rs1: P, immediate: 8 * (R.R_SUPERVISOR + i) });
    a.csrw(csr, 1);
  });
  a.op('ld', { rd: 1, rs1: P, immediate: 8 * R.R_PC });
  a.csrw(CSR.mepc, 1);
  a.op('ld', { rd: 1, rs1: P, immediate: 8 * R.R_STATUS });
  a.csrw(CSR.mstatus, 1);
  for (let i = 1; i < 32; i++) a.op('ld', { rd: i, rs1: P, immediate: 8 * i });
}

function saveState(a: Assembler, high: number): void {
  a.op('csrrw', { rd: P, rs1: P, immediate: CSR.mscratch });
  for (let i = 1; i < P; i++) a.op('sd', { rs2: i, rs1: P, immediate: 8 * i });
  const save = (csr: number, word: number) => {
    a.csrr(1, csr);
    a.op('sd', { rs2: 1, rs1: P, immediate: 8 * word });
  };
  save(CSR.mscratch, P);
  save(CSR.mstatus, R.R_STATUS);
  save(CSR.mepc, R.R_PC);
  save(CSR.mcause, R.R_CAUSE);
  save(CSR.mtval, R.R_TVAL);
  R.SUPERVISOR_CSRS.forEach((csr, i) => {
    save(csr, R.R_SUPERVISOR + i);
  });
  a.li(1, BigInt(FS_ON));
  a.op('csrrs', { rs1: 1, immediate: CSR.mstatus });
  save(CSR.fcsr, R.R_FCSR);
  for (let i = 0; i < 32; i++) a.op('fsd', { rs2: i, rs1: P, immediate: 8 * (R.R_F + i) });
  scratch(a, high, (word, offset) => {
    a.op('ld', { rd: 1, rs1: 2, immediate: offset });
    a.op('sd', { rs2: 1, rs1: P, immediate: 8 * (R.R_SCRATCH + word) });
  });
}

/** For each word of scratch memory, at `offset` from x2: first below the edge, then above. */
function scratch(a: Assembler, high: number, each: (word: number, offset: number) => void): void {
  const half = R.SCRATCH_WORDS / 2;
  a.li(2, BigInt(I.SCRATCH_EDGE - I.SCRATCH_SIDE_BYTES));
  for (let i = 0; i < half; i++) each(i, 8 * i);
  a.li(2, BigInt(high));
  for (let i = 0; i < half; i++) each(half + i, 8 * i);
}

/** Says that all is done, and powers off. */
export function finish(a: Assembler): void {
  a.li(1, BigInt(I.DONE));
  a.li(2, I.DONE_MAGIC);
  a.op('sd', { rs2: 2, rs1: 1 });
  a.li(1, BigInt(I.FINISHER));
  a.li(2, BigInt(I.FINISHER_PASS));
  a.op('sw', { rs2: 2, rs1: 1 });
  const forever = a.label();
  a.place(forever);
  a.to(forever, 'jal');
}
