import type { FunctionBuilder, I32, I64 } from '../execute/wasm/index.ts';
import { i64, select } from '../execute/wasm/index.ts';
import * as C from './constants.ts';
import * as L from './layout.ts';
import type { Pmp } from './library/pmp.ts';
import type { Timer } from './library/timer.ts';
import { DATA_CONTEXT_SUM_SHIFT, type Tlb } from './library/tlb.ts';

/** What has to happen after a CSR was written. */
export const CsrEffect = {
  /** Nothing that the run loop keeps is touched. */
  none: 0,
  /** Look for interrupts and find the code page again before the next instruction. */
  settle: 1,
} as const;

/** The parts that reads and writes of CSRs reach. */
export interface CsrParts {
  readonly timer: Timer;
  readonly tlb: Tlb;
  readonly pmp: Pmp;
}

/** What one CSR's code is given. `illegal` raises an illegal-instruction exception. */
export interface CsrContext extends CsrParts {
  readonly f: FunctionBuilder;
  readonly hart: I32;
  illegalIf(condition: I32): void;
}

interface Registers {
  readonly f: FunctionBuilder;
  readonly hart: I32;
}

/** What the code of a CSR in translated code is given. `giveUpIf` leaves the instruction to the interpreter. */
export interface QuickCsrContext extends Registers {
  giveUpIf(condition: I32): void;
}

/** Access without calls and without effects beyond the register, for translated code. */
export interface QuickCsr {
  read(c: QuickCsrContext): I64;
  write(c: QuickCsrContext, value: I64): void;
}

export interface Csr {
  readonly address: number;
  readonly name: string;
  /** Leaves the value to read. */
  read(c: CsrContext): I64;
  /** Absent for registers whose writes are ignored. */
  readonly write?: (c: CsrContext, value: I64) => void;
  readonly effect: 0 | 1;
  readonly quick?: QuickCsr;
  /** Checks beyond the address's privilege and read-only bits, for reads and writes. */
  readonly guard?: (c: CsrContext) => void;
}

/** A register with a field of its own; bits outside `writable` keep their value. */
function plain(address: number, name: string, offset: number, writable = ~0n, options: Partial<Csr> = {}): Csr {
  const access = {
    read: ({ hart }: Registers) => hart.load64(offset),
    write: ({ f, hart }: Registers, value: I64) => {
      const stored = writable === ~0n ? value : hart.load64(offset).and(~writable).or(value.and(writable));
      f.store(hart, stored, offset);
    },
  };
  const quick = options.effect === CsrEffect.settle ? {} : { quick: access };
  return { address, name, effect: CsrEffect.none, read: access.read, write: access.write, ...quick, ...options };
}

function constant(address: number, name: string, value: bigint): Csr {
  return { address, name, effect: CsrEffect.none, read: () => i64(value), write: () => {} };
}

/** Part of another register (sstatus of mstatus, sie of mie). */
function view(address: number, name: string, of: Csr, readable: bigint, writable: bigint): Csr {
  return {
    address,
    name,
    effect: of.effect,
    read: (c) => of.read(c).and(readable),
    write: (c, value) => of.write!(c, c.f.let(of.read(c).and(~writable).or(value.and(writable)))),
  };
}

// misa: RV64 with A, C, D, F, I, M, S, U (B stands for Zba, Zbb, Zbs).
const MISA =
  (2n << 62n) | [...'abcdfimsu'].reduce((bits, letter) => bits | (1n << BigInt(letter.charCodeAt(0) - 97)), 0n);

const STATUS_WRITABLE =
  C.MSTATUS_SIE |
  C.MSTATUS_MIE |
  C.MSTATUS_SPIE |
  C.MSTATUS_MPIE |
  C.MSTATUS_SPP |
  C.MSTATUS_MPP |
  C.MSTATUS_FS |
  C.MSTATUS_MPRV |
  C.MSTATUS_SUM |
  C.MSTATUS_MXR |
  C.MSTATUS_TVM |
  C.MSTATUS_TW |
  C.MSTATUS_TSR;
const SSTATUS_WRITABLE = C.MSTATUS_SIE | C.MSTATUS_SPIE | C.MSTATUS_SPP | C.MSTATUS_FS | C.MSTATUS_SUM | C.MSTATUS_MXR;
const SSTATUS_READABLE = SSTATUS_WRITABLE | C.MSTATUS_UXL_64 | C.MSTATUS_SD;

const mstatus: Csr = {
  address: 0x300,
  name: 'mstatus',
  effect: CsrEffect.settle,
  read: ({ f, hart }) => {
    const value = f.let(hart.load64(L.MSTATUS));
    return select(value.and(C.MSTATUS_FS).eq(C.MSTATUS_FS), value.or(C.MSTATUS_SD), value);
  },
  write: ({ f, hart, tlb }, value) => {
    const old = f.let(hart.load64(L.MSTATUS));
    // MPP is WARL: 2 is no mode, the old one stays.
    const reserved = value.and(C.MSTATUS_MPP).eq(2n << 11n);
    const next = f.let(old.and(~STATUS_WRITABLE).or(value.and(STATUS_WRITABLE)));
    const kept = next.and(~C.MSTATUS_MPP).or(old.and(C.MSTATUS_MPP));
    f.store(hart, select(reserved, kept, next), L.MSTATUS);
    f.do(tlb.updateContexts, hart);
  },
};

/** Bits of sstatus whose change matters to nothing at once, but for what `quickStatus` looks at. */
const STATUS_QUICK = C.MSTATUS_SIE | C.MSTATUS_SPIE | C.MSTATUS_SPP | C.MSTATUS_SUM;
const SUM_BIT = 18;

/**
 * sstatus as kernels use it most: switching interrupts, and access to user pages, which is part of the data context. In
 * S-mode only; where an interrupt would be taken at once the interpreter does it.
 */
const quickStatus: QuickCsr = {
  read: ({ f, hart }) => {
    const value = f.let(hart.load64(L.MSTATUS));
    const dirty = value.and(C.MSTATUS_FS).eq(C.MSTATUS_FS);
    return select(dirty, value.or(C.MSTATUS_SD), value).and(SSTATUS_READABLE);
  },
  write: ({ f, hart, giveUpIf }, value) => {
    const old = f.let(hart.load64(L.MSTATUS));
    const next = f.let(old.and(~SSTATUS_WRITABLE).or(value.and(SSTATUS_WRITABLE)));
    const changed = f.let(old.xor(next));
    const pending = hart.load64(L.MIP_LINES).or(hart.load64(L.MIP_SOFTWARE)).and(hart.load64(L.MIE)).ne(0);
    giveUpIf(hart.load(L.PRIVILEGE).ne(C.Privilege.S).or(changed.and(~STATUS_QUICK).ne(0)));
    giveUpIf(changed.and(next).and(C.MSTATUS_SIE).ne(0).and(pending));
    f.store(hart, next, L.MSTATUS);
    const sum = next.shrU(SUM_BIT).and(1).shl(DATA_CONTEXT_SUM_SHIFT);
    f.store(
      hart,
      hart
        .load64(L.DATA_CONTEXT)
        .and(~(1n << BigInt(DATA_CONTEXT_SUM_SHIFT)))
        .or(sum),
      L.DATA_CONTEXT,
    );
  },
};

const INTERRUPTS_M = C.MSIP | C.MTIP | C.MEIP;
const INTERRUPTS_S = C.SSIP | C.STIP | C.SEIP;

const mie = plain(0x304, 'mie', L.MIE, INTERRUPTS_M | INTERRUPTS_S, { effect: CsrEffect.settle });

const mip: Csr = {
  address: 0x344,
  name: 'mip',
  effect: CsrEffect.settle,
  read: ({ hart }) => hart.load64(L.MIP_LINES).or(hart.load64(L.MIP_SOFTWARE)),
  write: ({ f, hart }, value) => {
    // Under Sstc, STIP is the comparator's alone.
    const stce = hart.load64(L.MENVCFG).and(C.ENVCFG_STCE).ne(0);
    const writable = select(stce, i64(C.SSIP | C.SEIP), i64(INTERRUPTS_S));
    f.store(hart, value.and(writable), L.MIP_SOFTWARE);
  },
};

/** sip: only SSIP can be written, and only what is delegated is seen (privileged spec 12.1.3). */
const sip: Csr = {
  address: 0x144,
  name: 'sip',
  effect: CsrEffect.settle,
  read: (c) => mip.read(c).and(c.hart.load64(L.MIDELEG)),
  write: ({ f, hart }, value) => {
    const writable = f.let(hart.load64(L.MIDELEG).and(C.SSIP));
    f.store(hart, hart.load64(L.MIP_SOFTWARE).and(writable.not()).or(value.and(writable)), L.MIP_SOFTWARE);
  },
};

const sie: Csr = {
  address: 0x104,
  name: 'sie',
  effect: CsrEffect.settle,
  read: ({ hart }) => hart.load64(L.MIE).and(hart.load64(L.MIDELEG)),
  write: ({ f, hart }, value) => {
    const writable = f.let(hart.load64(L.MIDELEG).and(INTERRUPTS_S));
    f.store(hart, hart.load64(L.MIE).and(writable.not()).or(value.and(writable)), L.MIE);
  },
};

const satp: Csr = {
  address: 0x180,
  name: 'satp',
  effect: CsrEffect.settle,
  guard: ({ hart, illegalIf }) => {
    const trapped = hart.load64(L.MSTATUS).and(C.MSTATUS_TVM).ne(0);
    illegalIf(hart.load(L.PRIVILEGE).eq(C.Privilege.S).and(trapped));
  },
  read: ({ hart }) => hart.load64(L.SATP),
  write: ({ f, hart, tlb }, value) => {
    const mode = f.let(value.shrU(60).wrap());
    const known = mode.eq(C.SATP_MODE_BARE).or(mode.eq(C.SATP_MODE_SV39)).or(mode.eq(C.SATP_MODE_SV48));
    // A mode that does not exist leaves the whole register as it was (12.1.11).
    f.if(known, () => {
      f.store(hart, value, L.SATP);
      f.do(tlb.updateContexts, hart);
    });
  },
};

/** Trap vectors: direct or vectored, 4-byte aligned. */
const vector = (address: number, name: string, offset: number) => plain(address, name, offset, ~2n);
/** Exception program counters: IALIGN is 16. */
const epc = (address: number, name: string, offset: number) => plain(address, name, offset, ~1n);

/** FS off makes the floating-point CSRs illegal; writing them makes it dirty. */
function floatCsr(
  address: number,
  name: string,
  read: (hart: I32) => I64,
  write: (f: FunctionBuilder, hart: I32, value: I64) => void,
): Csr {
  const off = (hart: I32) => hart.load64(L.MSTATUS).and(C.MSTATUS_FS).eqz();
  const store = ({ f, hart }: Registers, value: I64) => {
    f.store(hart, hart.load64(L.MSTATUS).or(C.MSTATUS_FS), L.MSTATUS);
    write(f, hart, value);
  };
  const quick: QuickCsr = {
    read: ({ hart, giveUpIf }) => {
      giveUpIf(off(hart));
      return read(hart);
    },
    write: store,
  };
  return {
    quick,
    address,
    name,
    effect: CsrEffect.none,
    guard: ({ hart, illegalIf }) => illegalIf(off(hart)),
    read: ({ hart }) => read(hart),
    write: store,
  };
}

/** User-level counters are readable as mcounteren and scounteren say (3.1.11, 12.1.5). */
function counter(address: number, name: string, bit: number, read: (c: CsrContext) => I64): Csr {
  return {
    address,
    name,
    effect: CsrEffect.none,
    guard: ({ f, hart, illegalIf }) => {
      const privilege = f.let(hart.load(L.PRIVILEGE));
      const machine = hart.load64(L.MCOUNTEREN).shrU(bit).and(1).eqz();
      const supervisor = hart.load64(L.SCOUNTEREN).shrU(bit).and(1).eqz();
      illegalIf(privilege.ltU(C.Privilege.M).and(machine).or(privilege.eqz().and(supervisor)));
    },
    read,
  };
}

const cycles = ({ hart }: CsrContext): I64 => hart.load64(L.INSTRET).add(hart.load64(L.MCYCLE_OFFSET));
const retired = ({ hart }: CsrContext): I64 => hart.load64(L.INSTRET).add(hart.load64(L.MINSTRET_OFFSET));

/**
 * A machine counter is INSTRET plus an offset. The instruction that writes it counts as retired after the write, and
 * the value written is what the next instruction reads: hence the 1.
 */
function machineCounter(address: number, name: string, offset: number, read: (c: CsrContext) => I64): Csr {
  return {
    address,
    name,
    effect: CsrEffect.none,
    read,
    write: ({ f, hart }, value) => f.store(hart, value.sub(hart.load64(L.INSTRET)).sub(1), offset),
  };
}

const stimecmp: Csr = {
  address: 0x14d,
  name: 'stimecmp',
  effect: CsrEffect.settle,
  guard: ({ f, hart, illegalIf }) => {
    const below = f.let(hart.load(L.PRIVILEGE).ltU(C.Privilege.M));
    const noTime = hart.load64(L.MCOUNTEREN).and(2).eqz();
    illegalIf(below.and(noTime.or(hart.load64(L.MENVCFG).and(C.ENVCFG_STCE).eqz())));
  },
  read: ({ hart }) => hart.load64(L.STIMECMP),
  write: ({ f, hart, timer }, value) => {
    f.store(hart, value, L.STIMECMP);
    f.do(timer.update, hart);
  },
};

const SENVCFG_WRITABLE = C.ENVCFG_FIOM | C.ENVCFG_CBIE | C.ENVCFG_CBCFE | C.ENVCFG_CBZE;

/** Bits of menvcfg that software can change in a hart with or without Svadu. */
export function menvcfgWritable({ svadu }: { readonly svadu: boolean }): bigint {
  return SENVCFG_WRITABLE | C.ENVCFG_STCE | (svadu ? C.ENVCFG_ADUE : 0n);
}

/** CBIE = 2 is reserved; such a write keeps the old field. */
function envcfg(address: number, name: string, offset: number, writableOf: (hart: I32) => I64): Csr {
  return plain(address, name, offset, ~0n, {
    effect: CsrEffect.settle,
    write: ({ f, hart, timer }, value) => {
      const old = f.let(hart.load64(offset));
      const writable = f.let(writableOf(hart));
      const next = f.let(old.and(writable.not()).or(value.and(writable)));
      const reserved = value.and(C.ENVCFG_CBIE).eq(2n << 4n);
      f.store(hart, select(reserved, next.and(~C.ENVCFG_CBIE).or(old.and(C.ENVCFG_CBIE)), next), offset);
      f.do(timer.update, hart);
    },
  });
}

/** pmpcfg0 and pmpcfg2 hold eight bytes each: locked ones stay, W without R is reserved. */
function pmpcfg(number: 0 | 2): Csr {
  const base = L.PMPCFG + number * 4;
  return {
    address: 0x3a0 + number,
    name: `pmpcfg${number}`,
    effect: CsrEffect.settle,
    read: ({ hart }) => hart.load64(base),
    write: ({ f, hart, pmp, tlb }, value) => {
      for (let i = 0; i < 8; i++) {
        const byte = f.let(
          value
            .shrU(8 * i)
            .wrap()
            .and(0x9f),
        );
        const writeOnly = byte.and(3).eq(2);
        f.if(
          hart
            .load8U(base + i)
            .and(0x80)
            .eqz(),
          () => {
            f.store8(hart, select(writeOnly, byte.and(~3), byte), base + i);
          },
        );
      }
      f.do(pmp.updated, hart);
      f.do(tlb.flushAll, hart);
    },
  };
}

/** An address is locked by its own entry, and by the next one when that is a locked TOR. */
function pmpaddr(index: number): Csr {
  const offset = L.PMPADDR + 8 * index;
  return {
    address: 0x3b0 + index,
    name: `pmpaddr${index}`,
    effect: CsrEffect.settle,
    read: ({ hart }) => hart.load64(offset),
    write: ({ f, hart, pmp, tlb }, value) => {
      let locked = hart
        .load8U(L.PMPCFG + index)
        .and(0x80)
        .ne(0);
      if (index + 1 < L.PMP_ENTRIES) {
        const above = hart.load8U(L.PMPCFG + index + 1);
        locked = locked.or(above.and(0x98).eq(0x88));
      }
      f.if(locked.eqz(), () => f.store(hart, value.and((1n << 54n) - 1n), offset));
      f.do(pmp.updated, hart);
      f.do(tlb.flushAll, hart);
    },
  };
}

function hardwarePerformance(): Csr[] {
  const all: Csr[] = [];
  for (let i = 3; i < 32; i++) {
    all.push(constant(0xb00 + i, `mhpmcounter${i}`, 0n), constant(0x320 + i, `mhpmevent${i}`, 0n));
    all.push(counter(0xc00 + i, `hpmcounter${i}`, i, () => i64(0)));
  }
  return all;
}

/** Exceptions that may be delegated: all but M-mode environment calls. */
const DELEGABLE = 0xb3ffn;

/** Every CSR of the hart (privileged spec 2.2; Sstc). An address that is not here is an illegal instruction. */
export const CSRS: readonly Csr[] = [
  floatCsr(
    0x001,
    'fflags',
    (hart) => hart.load64(L.FFLAGS),
    (f, hart, value) => f.store(hart, value.and(31), L.FFLAGS),
  ),
  floatCsr(
    0x002,
    'frm',
    (hart) => hart.load64(L.FRM),
    (f, hart, value) => f.store(hart, value.and(7), L.FRM),
  ),
  floatCsr(
    0x003,
    'fcsr',
    (hart) => hart.load64(L.FFLAGS).or(hart.load64(L.FRM).shl(5)),
    (f, hart, value) => {
      f.store(hart, value.and(31), L.FFLAGS);
      f.store(hart, value.shrU(5).and(7), L.FRM);
    },
  ),
  counter(0xc00, 'cycle', 0, cycles),
  counter(0xc01, 'time', 1, ({ f, hart, timer }) => f.call(timer.time, hart)),
  counter(0xc02, 'instret', 2, retired),
  ...hardwarePerformance(),

  { ...view(0x100, 'sstatus', mstatus, SSTATUS_READABLE, SSTATUS_WRITABLE), quick: quickStatus },
  sie,
  vector(0x105, 'stvec', L.STVEC),
  plain(0x106, 'scounteren', L.SCOUNTEREN, 0xffff_ffffn),
  envcfg(0x10a, 'senvcfg', L.SENVCFG, () => i64(SENVCFG_WRITABLE)),
  plain(0x140, 'sscratch', L.SSCRATCH),
  epc(0x141, 'sepc', L.SEPC),
  plain(0x142, 'scause', L.SCAUSE),
  plain(0x143, 'stval', L.STVAL),
  sip,
  stimecmp,
  satp,

  constant(0xf11, 'mvendorid', 0n),
  constant(0xf12, 'marchid', 0n),
  constant(0xf13, 'mimpid', 0n),
  constant(0xf14, 'mhartid', 0n),
  constant(0xf15, 'mconfigptr', 0n),
  mstatus,
  constant(0x301, 'misa', MISA),
  plain(0x302, 'medeleg', L.MEDELEG, DELEGABLE),
  plain(0x303, 'mideleg', L.MIDELEG, INTERRUPTS_S, { effect: CsrEffect.settle }),
  mie,
  vector(0x305, 'mtvec', L.MTVEC),
  plain(0x306, 'mcounteren', L.MCOUNTEREN, 0xffff_ffffn),
  envcfg(0x30a, 'menvcfg', L.MENVCFG, (hart) => hart.load64(L.MENVCFG_WRITABLE)),
  plain(0x320, 'mcountinhibit', L.MCOUNTINHIBIT, 0n),
  plain(0x340, 'mscratch', L.MSCRATCH),
  epc(0x341, 'mepc', L.MEPC),
  plain(0x342, 'mcause', L.MCAUSE),
  plain(0x343, 'mtval', L.MTVAL),
  mip,
  pmpcfg(0),
  pmpcfg(2),
  ...Array.from({ length: L.PMP_ENTRIES }, (_, i) => pmpaddr(i)),
  machineCounter(0xb00, 'mcycle', L.MCYCLE_OFFSET, cycles),
  machineCounter(0xb02, 'minstret', L.MINSTRET_OFFSET, retired),
];

const quickCsrs = new Map(CSRS.flatMap((csr) => (csr.quick ? [[csr.address, csr.quick] as const] : [])));

/** How translated code can access a CSR; undefined: it leaves that to the interpreter. */
export function quickCsr(address: number): QuickCsr | undefined {
  return quickCsrs.get(address);
}

export const CSR_NAMES: ReadonlyMap<number, string> = new Map(CSRS.map(({ address, name }) => [address, name]));
