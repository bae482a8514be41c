import * as L from './layout.ts';

/**
 * The registers that a saved hart has, by the names of the RISC-V specifications where they have one. Names are for
 * good: saved state, digests in recordings and messages go by them, whatever place layout.ts gives a register. x0 is
 * always 0 and in none of them.
 */
export interface SavedRegister {
  readonly name: string;
  /** Offset in the hart's block. */
  readonly offset: number;
}

const SCALARS: Readonly<Record<string, number>> = {
  pc: L.PC,
  branches: L.BRANCHES,
  instret: L.INSTRET,
  privilege: L.PRIVILEGE,
  waiting: L.WAITING,
  event_pending: L.EVENT_PENDING,
  lines_changed: L.LINES_CHANGED,
  reservation_address: L.RESERVATION_ADDRESS,
  reservation_value: L.RESERVATION_VALUE,
  time_base_ticks: L.TIME_BASE_TICKS,
  time_base_branches: L.TIME_BASE_BRANCHES,
  time_rate: L.TIME_RATE,
  mtimecmp: L.MTIMECMP,
  mstatus: L.MSTATUS,
  medeleg: L.MEDELEG,
  mideleg: L.MIDELEG,
  mie: L.MIE,
  mip_software: L.MIP_SOFTWARE,
  mip_lines: L.MIP_LINES,
  mtvec: L.MTVEC,
  mcounteren: L.MCOUNTEREN,
  mcountinhibit: L.MCOUNTINHIBIT,
  mscratch: L.MSCRATCH,
  mepc: L.MEPC,
  mcause: L.MCAUSE,
  mtval: L.MTVAL,
  menvcfg: L.MENVCFG,
  mseccfg: L.MSECCFG,
  stvec: L.STVEC,
  scounteren: L.SCOUNTEREN,
  sscratch: L.SSCRATCH,
  sepc: L.SEPC,
  scause: L.SCAUSE,
  stval: L.STVAL,
  satp: L.SATP,
  senvcfg: L.SENVCFG,
  stimecmp: L.STIMECMP,
  fflags: L.FFLAGS,
  frm: L.FRM,
  mcycle_offset: L.MCYCLE_OFFSET,
  minstret_offset: L.MINSTRET_OFFSET,
  // RV64 has the even ones only: eight entries each.
  pmpcfg0: L.PMPCFG,
  pmpcfg2: L.PMPCFG + 8,
  sbi_calls: L.SBI_CALLS,
};

function array(prefix: string, start: number, first: number, count: number): SavedRegister[] {
  return Array.from({ length: count - first }, (_, i) => {
    return { name: `${prefix}${first + i}`, offset: start + 8 * (first + i) };
  });
}

/** By their places, without a gap: a hart's registers are saved with one copy. */
export const SAVED_REGISTERS: readonly SavedRegister[] = [
  ...array('x', L.X_REGISTERS, 1, 32),
  ...array('f', L.F_REGISTERS, 0, 32),
  ...array('pmpaddr', L.PMPADDR, 0, L.PMP_ENTRIES),
  ...Object.entries(SCALARS).map(([name, offset]) => ({ name, offset })),
].sort((a, b) => a.offset - b.offset);

export const SAVED_REGISTERS_START = SAVED_REGISTERS[0]!.offset;
if (SAVED_REGISTERS.some(({ offset }, index) => offset !== SAVED_REGISTERS_START + 8 * index)) {
  throw new Error('a saved register of the hart has no name');
}
if (SAVED_REGISTERS_START + 8 * SAVED_REGISTERS.length !== L.SAVED_END) {
  throw new Error('the last saved register of the hart has no name');
}
