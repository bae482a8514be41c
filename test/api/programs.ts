/** Tiny programs for a bare machine, which start in S-mode at their first byte. */
import { type EncodeOperands, encodeNamed } from '../../src/isa/index.ts';

type Line = readonly [name: string, operands: EncodeOperands];

const T0 = 5;
const T1 = 6;
const T2 = 7;
const UART = 0x1000_0000;
const FINISHER = 0x10_0000;
const LINE_STATUS = 5;

function assemble(lines: readonly Line[]): Uint8Array {
  const words = lines.map(([name, operands]) => encodeNamed(name, operands));
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** rd = value, which has no bits below 4096 that sign extension would spoil. */
function loadAddress(rd: number, value: number): Line {
  return ['lui', { rd, immediate: value }];
}

function print(text: string): Line[] {
  const bytes = [...new TextEncoder().encode(text)];
  const store = (byte: number): Line[] => [
    ['addi', { rd: T1, rs1: 0, immediate: byte }],
    ['sb', { rs1: T0, rs2: T1, immediate: 0 }],
  ];
  return [loadAddress(T0, UART), ...bytes.flatMap(store)];
}

/** `status` 0: power off; else fail with that code. */
function finish(status: number): Line[] {
  const upper = (status << 16) | (status === 0 ? 0x5000 : 0x3000);
  const lower = status === 0 ? 0x555 : 0x333;
  return [
    loadAddress(T0, FINISHER),
    loadAddress(T1, upper),
    ['addi', { rd: T1, rs1: T1, immediate: lower }],
    ['sw', { rs1: T0, rs2: T1, immediate: 0 }],
    ['jal', { rd: 0, immediate: 0 }],
  ];
}

/** Prints and ends with a status. */
export function greeting(text: string, status: number): Uint8Array {
  return assemble([...print(text), ...finish(status)]);
}

/** Prints and boots again. */
export function rebooting(text: string): Uint8Array {
  return assemble([
    ...print(text),
    loadAddress(T0, FINISHER),
    loadAddress(T1, 0x7000),
    ['addi', { rd: T1, rs1: T1, immediate: 0x777 }],
    ['sw', { rs1: T0, rs2: T1, immediate: 0 }],
    ['jal', { rd: 0, immediate: 0 }],
  ]);
}

/** Prints, then keeps the hart as busy as can be. */
export function spinning(text: string): Uint8Array {
  return assemble([...print(text), ['addi', { rd: T2, rs1: T2, immediate: 1 }], ['jal', { rd: 0, immediate: -4 }]]);
}

/** Prints a character for ever. */
export function chattering(): Uint8Array {
  return assemble([...print('x'), ['sb', { rs1: T0, rs2: T1, immediate: 0 }], ['jal', { rd: 0, immediate: -4 }]]);
}

/** Sends back what is typed; "q" powers off. */
export function echoing(): Uint8Array {
  return assemble([
    loadAddress(T0, UART),
    ['lb', { rd: T1, rs1: T0, immediate: LINE_STATUS }],
    ['andi', { rd: T1, rs1: T1, immediate: 1 }],
    ['beq', { rs1: T1, rs2: 0, immediate: -8 }],
    ['lb', { rd: T1, rs1: T0, immediate: 0 }],
    ['sb', { rs1: T0, rs2: T1, immediate: 0 }],
    ['addi', { rd: T2, rs1: 0, immediate: 'q'.charCodeAt(0) }],
    ['bne', { rs1: T1, rs2: T2, immediate: -24 }],
    ...finish(0),
  ]);
}

/** Waits for an interrupt that nothing will raise. */
export function sleeping(): Uint8Array {
  return assemble([...print('z'), ['wfi', {}], ['jal', { rd: 0, immediate: -4 }]]);
}
