import { Assembler } from './assembler.ts';
import * as I from './image.ts';
import { finish } from './runner.ts';

/**
 * A second runner, for what lies around instructions: translation, PMP, traps. Its records have a few registers, but
 * any CSRs and words of memory. In 64-bit words:
 *
 *     0       pc: where the case starts; mepc
 *     1       mstatus to start with, MIE 0 (after mret it is MPIE); mstatus
 *     2, 3    mcause, mtval (out)
 *     4       which entry of the trap vector was taken (out)
 *     5-12    x5 to x12
 *     13      x30 (out); handlers in S-mode leave their entry's number there
 *     14      slots: addresses of words in memory; then their values before, and after
 *     ...     CSRs to set; then CSRs to save
 */
export const S_PC = 0;
export const S_STATUS = 1;
export const S_CAUSE = 2;
export const S_TVAL = 3;
export const S_ENTRY = 4;
export const S_X5 = 5;
const REGISTERS = 8;
export const S_X30 = 13;
const S_SLOTS = 14;

export interface Store {
  readonly address: number;
  readonly width: 4 | 8;
  readonly value: bigint;
}

export interface SystemSpec {
  readonly slots: number;
  /** Slots are zeroed after each case. */
  readonly clearSlots: boolean;
  /** CSRs that each case sets, in this order, and those that are saved at its end. */
  readonly csrsIn: readonly number[];
  readonly csrsOut: readonly number[];
  /** Done before the first case and after each, so that nothing of a reset or a case is left. */
  readonly quietCsrs: readonly (readonly [csr: number, value: bigint])[];
  readonly quietStores: readonly Store[];
}

/** Where things lie in a record of this spec. */
export class SystemLayout {
  readonly spec: SystemSpec;
  readonly words: number;

  constructor(spec: SystemSpec) {
    this.spec = spec;
    this.words = S_SLOTS + 2 * spec.slots + spec.csrsIn.length + spec.csrsOut.length;
    if (8 * this.words > 2048) throw new Error('a record is larger than an offset reaches');
  }

  slotAddress(slot: number): number {
    return S_SLOTS + slot;
  }

  slotValue(slot: number): number {
    return S_SLOTS + this.spec.slots + slot;
  }

  csrIn(csr: number): number {
    const index = this.spec.csrsIn.indexOf(csr);
    if (index < 0) throw new Error(`CSR ${csr.toString(16)} is not set by this runner`);
    return S_SLOTS + 2 * this.spec.slots + index;
  }

  csrOut(index: number): number {
    return S_SLOTS + 2 * this.spec.slots + this.spec.csrsIn.length + index;
  }

  nameOf(word: number): string {
    const fixed = [
      'pc',
      'mstatus',
      'mcause',
      'mtval',
      'entry',
      'x5',
      'x6',
      'x7',
      'x8',
      'x9',
      'x10',
      'x11',
      'x12',
      'x30',
    ];
    if (word < S_SLOTS) return fixed[word]!;
    const { slots, csrsIn, csrsOut } = this.spec;
    const rest = word - S_SLOTS;
    if (rest < slots) return `slot ${rest} at`;
    if (rest < 2 * slots) return `slot ${rest - slots}`;
    const csr = rest - 2 * slots;
    const number = csr < csrsIn.length ? csrsIn[csr]! : csrsOut[csr - csrsIn.length]!;
    return `${csr < csrsIn.length ? 'set' : 'csr'} ${number.toString(16)}`;
  }
}

const P = 31;
const ENTRIES = 16;
const CSR = {
  mstatus: 0x300,
  mtvec: 0x305,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
};

/** Where the trap vector of M-mode is; a case sets mtvec to this, with or without the mode bit. */
export const M_VECTOR = I.RUNNER + 0x1000;
/** Vectors of S-mode whose handlers leave by an illegal instruction, `ecall` or `ebreak`. */
export const S_VECTORS = { illegal: I.RUNNER + 0x4000, ecall: I.RUNNER + 0x5000, ebreak: I.RUNNER + 0x6000 } as const;

export function buildSystemRunner(layout: SystemLayout): I.Segment[] {
  const vector = new Assembler(M_VECTOR);
  const common = buildVector(vector);
  const main = new Assembler(I.RUNNER + 0x2000);
  vector.place(common); // right behind the vector
  saveCase(vector, layout);
  vector.li(5, BigInt(main.base));
  vector.op('jalr', { rs1: 5 });
  startNext(main, layout);
  return [
    { address: I.RUNNER, data: buildStart(main.base, layout.spec) },
    { address: M_VECTOR, data: vector.finish() },
    { address: main.base, data: main.finish() },
    ...buildSupervisorVectors(),
  ];
}

/** Opens the PMP, quiets what reset leaves open, and begins with the first record. */
function buildStart(main: number, spec: SystemSpec): Uint8Array {
  const a = new Assembler(I.RUNNER);
  a.li(5, (1n << 54n) - 1n);
  a.csrw(CSR.pmpaddr0, 5);
  a.li(5, 0x1fn);
  a.csrw(CSR.pmpcfg0, 5);
  quiet(a, spec);
  a.li(P, BigInt(I.RECORDS));
  a.li(5, BigInt(main));
  a.op('jalr', { rs1: 5 });
  return a.finish();
}

/** One jump for each cause of interrupt, to a stub that notes its number and goes on at `common`. */
function buildVector(a: Assembler) {
  const common = a.label();
  const stubs = Array.from({ length: ENTRIES }, () => a.label());
  for (const stub of stubs) a.to(stub, 'jal');
  stubs.forEach((stub, index) => {
    a.place(stub);
    a.op('csrrw', { rd: P, rs1: P, immediate: CSR.mscratch });
    a.op('sd', { rs2: 30, rs1: P, immediate: 8 * S_X30 });
    a.li(30, BigInt(index));
    a.to(common, 'jal');
  });
  return common;
}

function buildSupervisorVectors(): I.Segment[] {
  const leave: Record<keyof typeof S_VECTORS, (a: Assembler) => void> = {
    illegal: (a) => a.bits(0),
    ecall: (a) => a.op('ecall'),
    ebreak: (a) => a.op('ebreak'),
  };
  return (['illegal', 'ecall', 'ebreak'] as const).map((kind) => {
    const a = new Assembler(S_VECTORS[kind]);
    const stubs = Array.from({ length: ENTRIES }, () => a.label());
    for (const stub of stubs) a.to(stub, 'jal');
    stubs.forEach((stub, index) => {
      a.place(stub);
      a.li(30, BigInt(index + 1));
      leave[kind](a);
      a.align(4);
    });
    return { address: a.base, data: a.finish() };
  });
}

function saveCase(a: Assembler, layout: SystemLayout): void {
  const save = (register: number, word: number) => a.op('sd', { rs2: register, rs1: P, immediate: 8 * word });
  const load = (register: number, word: number) => a.op('ld', { rd: register, rs1: P, immediate: 8 * word });
  save(30, S_ENTRY);
  for (let i = 0; i < REGISTERS; i++) save(5 + i, S_X5 + i);
  const csrs: [number, number][] = [
    [CSR.mstatus, S_STATUS],
    [CSR.mepc, S_PC],
    [CSR.mcause, S_CAUSE],
    [CSR.mtval, S_TVAL],
  ];
  const { spec } = layout;
  const saved: [number, number][] = [
    ...csrs,
    ...spec.csrsOut.map((csr, i): [number, number] => [csr, layout.csrOut(i)]),
  ];
  for (const [csr, word] of saved) {
    a.csrr(5, csr);
    save(5, word);
  }
  // What the case set may be in the way from here on: MPRV, PMP, interrupts.
  quiet(a, spec);
  for (let i = 0; i < spec.slots; i++) {
    load(5, layout.slotAddress(i));
    a.op('ld', { rd: 6, rs1: 5 });
    save(6, layout.slotValue(i));
    if (spec.clearSlots) a.op('sd', { rs2: 0, rs1: 5 });
  }
  a.op('addi', { rd: P, rs1: P, immediate: 8 * layout.words });
}

function quiet(a: Assembler, { quietCsrs, quietStores }: SystemSpec): void {
  for (const [csr, value] of quietCsrs) {
    a.li(5, value);
    a.csrw(csr, 5);
  }
  for (const { address, width, value } of quietStores) {
    a.li(5, BigInt(address));
    a.li(6, value);
    a.op(width === 4 ? 'sw' : 'sd', { rs2: 6, rs1: 5 });
  }
}

/** With the next record in P: sets everything up and goes. */
function startNext(a: Assembler, layout: SystemLayout): void {
  const load = (register: number, word: number) => a.op('ld', { rd: register, rs1: P, immediate: 8 * word });
  const finished = a.label();
  const next = a.label();
  a.li(5, BigInt(I.RECORDS_END));
  a.op('ld', { rd: 5, rs1: 5 });
  a.to(next, 'bne', { rs1: P, rs2: 5 });
  a.to(finished, 'jal');
  a.place(next);
  a.csrw(CSR.mscratch, P);
  a.li(5, BigInt(M_VECTOR));
  a.csrw(CSR.mtvec, 5);
  a.li(5, 0n);
  a.csrw(CSR.mstatus, 5);
  const { spec } = layout;
  for (let i = 0; i < spec.slots; i++) {
    load(5, layout.slotAddress(i));
    load(6, layout.slotValue(i));
    a.op('sd', { rs2: 6, rs1: 5 });
  }
  for (const csr of spec.csrsIn) {
    load(5, layout.csrIn(csr));
    a.csrw(csr, 5);
  }
  a.op('sfence.vma');
  load(5, S_PC);
  a.csrw(CSR.mepc, 5);
  load(5, S_STATUS);
  a.csrw(CSR.mstatus, 5);
  for (let i = 0; i < REGISTERS; i++) load(5 + i, S_X5 + i);
  a.li(30, 0n);
  a.op('mret');
  a.place(finished);
  finish(a);
}
