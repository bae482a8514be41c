import { CSRS } from '../../src/hart/csr.ts';
import type { Random } from '../../src/isa/generate/random.ts';
import { Assembler } from './assembler.ts';
import * as I from './image.ts';
import type { SetWord, SystemResult } from './system-batch.ts';
import * as S from './system-runner.ts';

export const CSR_LAYOUT = new S.SystemLayout({
  slots: 0,
  clearSlots: false,
  csrsIn: [],
  csrsOut: [],
  quietCsrs: [
    [0x304, 0n],
    [0x14d, -1n],
    [0x30a, 0n],
  ],
  // Reset leaves a timer interrupt pending in QEMU.
  quietStores: [{ address: I.CLINT + 0x4000, width: 8, value: -1n }],
});

/** Registers whose value goes on by itself, or which QEMU 7.2 gives another identity. */
const LEFT_OUT =
  /^m?(cycle|instret|time|hpmcounter\d+|hpmevent\d+|archid|impid|isa|countinhibit)$|^(time|cycle|instret)$/;

const HYPERVISOR_INTERRUPTS = 0x1444n;
const COUNTER_OVERFLOW = 1n << 13n;
const VS = 3n << 9n;
const MPP = 3n << 11n;
const XL = 0xfn << 32n;
const SD = 1n << 63n;
/** Of the hypervisor extension. */
const GVA_AND_MPV = 3n << 38n;
const HIGH_HALF = 0xffff_ffffn << 32n;
const CBIE = 3n << 4n;
const PBMTE = 1n << 62n;
const ADUE = 1n << 61n;

/**
 * Bits that differ from QEMU 7.2 where both may do as they do, or godwit is right. Unless said otherwise they are WARL
 * fields of what one of them does not have (privileged 2.3).
 */
const FREE_BITS: Readonly<Record<string, bigint>> = {
  // 3.1.6.6: VS without vectors, and SD with it; 3.1.6.2: widths are fixed; 3.1.6.1: 2 is no mode.
  mstatus: VS | MPP | XL | SD | GVA_AND_MPV,
  sstatus: VS | XL | SD,
  // 3.1.9: bits of the hypervisor extension and Sscofpmf.
  mie: HYPERVISOR_INTERRUPTS | COUNTER_OVERFLOW,
  mip: HYPERVISOR_INTERRUPTS | COUNTER_OVERFLOW,
  mideleg: HYPERVISOR_INTERRUPTS | COUNTER_OVERFLOW,
  // 3.1.8: guest page faults, and an ecall from M-mode, which can't be delegated.
  medeleg: 0xf0_0c00n,
  // 3.1.11, 12.1.5: these are 32 bits wide; QEMU keeps 64.
  mcounteren: HIGH_HALF,
  scounteren: HIGH_HALF,
  // 3.1.14, 12.1.7: the lowest bit is always 0; QEMU keeps it.
  mepc: 1n,
  sepc: 1n,
  // 3.1.18: CBIE 2 is reserved, and QEMU 7.2 has no Zicbom; Svpbmt. It has no bit for Svadu: it always updates.
  menvcfg: CBIE | PBMTE | ADUE,
  senvcfg: CBIE,
  // 3.7.1: bits 5 and 6 are 0, W without R is reserved. 54 bits of an address are implemented.
  pmpcfg0: 0x6262_6262_6262_6262n,
  pmpcfg2: 0x6262_6262_6262_6262n,
};
const PMP_ADDRESS_BITS = (1n << 54n) - 1n;

interface Place {
  readonly name: string;
  readonly address: number;
}

function build(): { places: Place[]; code: I.Segment } {
  const a = new Assembler(I.CODE);
  const places: Place[] = [];
  for (const { address: csr, name } of CSRS) {
    if (LEFT_OUT.test(name)) continue;
    places.push({ name, address: a.address });
    a.csrr(12, csr);
    a.op('csrrw', { rd: 8, rs1: 6, immediate: csr });
    a.op('csrrs', { rd: 9, rs1: 7, immediate: csr });
    a.op('csrrc', { rd: 11, rs1: 10, immediate: csr });
    a.op('csrrw', { rd: 5, rs1: 12, immediate: csr });
    a.op('ecall');
  }
  return { places, code: { address: I.CODE, data: a.finish() } };
}

const { places: PLACES, code: CODE } = build();
export const CSR_SEGMENTS: readonly I.Segment[] = [CODE];

const MSTATUS_M = 3n << 11n;
/** The register that csrrw writes. */
const WRITTEN = 6;
/** Lock bits of PMP entries would stay. */
const LOCKS = 0x8080_8080_8080_8080n;

/** Modes of trap vectors from 2 on are reserved: what a write of them does is free. */
const VECTOR_MODE = 2n;
/** Sv57 is there in QEMU only. */
const SATP_MODES = [0n, 8n << 60n, 9n << 60n];
const SATP_REST = (1n << 60n) - 1n;

function value(random: Random, name: string, register: number): bigint {
  const bits = random.oneIn(4) ? random.pick([0n, -1n, 1n << BigInt(random.below(64))]) : random.long();
  if (name.startsWith('pmpcfg')) return bits & ~LOCKS;
  if (name.endsWith('tvec')) return bits & ~VECTOR_MODE;
  if (name === 'satp') return (bits & SATP_REST) | (register === WRITTEN ? random.pick(SATP_MODES) : 0n);
  return bits;
}

/** Writes, sets and clears random bits of one CSR, and reads what became of it. */
export function addCsr(random: Random, set: SetWord): string {
  const { name, address } = random.pick(PLACES);
  set(S.S_PC, BigInt(address));
  set(S.S_STATUS, MSTATUS_M);
  for (const register of [5, 6, 7, 10]) set(S.S_X5 + register - 5, value(random, name, register));
  return name;
}

export function csrAllows(word: number, { name, ours, theirs }: SystemResult): boolean {
  const free = name.startsWith('pmpaddr') ? ~PMP_ADDRESS_BITS : (FREE_BITS[name] ?? 0n);
  return ((ours[word]! ^ theirs[word]!) & ~free) === 0n;
}
