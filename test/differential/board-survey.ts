import { Assembler } from './assembler.ts';
import * as I from './image.ts';
import { finish } from './runner.ts';

/** One look at the machine as it is after reset: a CSR, or a load of some width from an address. */
export type Look =
  | { readonly kind: 'csr'; readonly csr: number }
  | { readonly kind: 'load'; readonly address: number; readonly width: 1 | 2 | 4 | 8 };

/** A value, or "fault" and the cause of the exception. */
export type Seen = string;

const LOADS = { 1: 'lbu', 2: 'lhu', 4: 'lwu', 8: 'ld' } as const;
const X = { address: 5, value: 8, log: 10, faulted: 11, pc: 12 };
const CSR = { mtvec: 0x305, mepc: 0x341, mcause: 0x342, mstatus: 0x300, pmpcfg0: 0x3a0, pmpaddr0: 0x3b0 };
const HANDLER = I.RUNNER + 0x800;
const END = I.RUNNER + 0xc00;
const SUPERVISOR = 1n << 11n;
const MACHINE = 3n << 11n;
const WORDS = 2;

/** Puts all looks one after another, in M-mode or in S-mode; each logs what came, and whether it was a fault. */
export function surveyImage(looks: readonly Look[], mode: 'M' | 'S'): I.Image {
  const start = new Assembler(I.RUNNER);
  start.li(X.address, BigInt(HANDLER));
  start.csrw(CSR.mtvec, X.address);
  start.li(X.log, BigInt(I.RECORDS));
  if (mode === 'S') {
    start.li(X.address, (1n << 54n) - 1n);
    start.csrw(CSR.pmpaddr0, X.address);
    start.li(X.address, 0x1fn);
    start.csrw(CSR.pmpcfg0, X.address);
    start.li(X.address, MACHINE);
    start.op('csrrc', { rs1: X.address, immediate: CSR.mstatus });
    start.li(X.address, SUPERVISOR);
    start.op('csrrs', { rs1: X.address, immediate: CSR.mstatus });
  }
  start.li(X.address, BigInt(I.CODE));
  if (mode === 'S') start.csrw(CSR.mepc, X.address);
  if (mode === 'S') start.op('mret');
  else start.op('jalr', { rs1: X.address });

  // The cause in place of the value; an ecall ends the program.
  const handler = new Assembler(HANDLER);
  handler.csrr(X.value, CSR.mcause);
  const other = handler.label();
  handler.li(X.pc, 8n);
  handler.to(other, 'bltu', { rs1: X.value, rs2: X.pc });
  handler.li(X.pc, 12n);
  handler.to(other, 'bgeu', { rs1: X.value, rs2: X.pc });
  handler.li(X.address, BigInt(END));
  handler.op('jalr', { rs1: X.address });
  handler.place(other);
  handler.li(X.faulted, 1n);
  handler.csrr(X.pc, CSR.mepc);
  handler.op('addi', { rd: X.pc, rs1: X.pc, immediate: 4 });
  handler.csrw(CSR.mepc, X.pc);
  handler.op('mret');

  const end = new Assembler(END);
  finish(end);

  const code = new Assembler(I.CODE);
  for (const look of looks) {
    code.li(X.faulted, 0n);
    if (look.kind === 'load') code.li(X.address, BigInt(look.address));
    if (look.kind === 'csr') code.csrr(X.value, look.csr);
    else code.op(LOADS[look.width], { rd: X.value, rs1: X.address });
    code.op('sd', { rs1: X.log, rs2: X.value });
    code.op('sd', { rs1: X.log, rs2: X.faulted, immediate: 8 });
    code.op('addi', { rd: X.log, rs1: X.log, immediate: 16 });
  }
  code.op('ecall');
  return {
    segments: [
      { address: I.RUNNER, data: start.finish() },
      { address: HANDLER, data: handler.finish() },
      { address: END, data: end.finish() },
      { address: I.CODE, data: code.finish() },
    ],
    resultAddress: I.RECORDS,
    resultBytes: 8 * WORDS * looks.length,
  };
}

export function seenIn(result: Uint8Array, count: number): Seen[] {
  const words = new BigUint64Array(result.buffer, result.byteOffset, count * WORDS);
  return Array.from({ length: count }, (_, i) => {
    const [value, faulted] = [words[WORDS * i]!, words[WORDS * i + 1]!];
    return faulted === 0n ? `0x${value.toString(16)}` : `fault ${value}`;
  });
}
