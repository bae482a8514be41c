import type { ExternalInterrupt } from '../device/device.ts';
import {
  ENVCFG_ADUE,
  ENVCFG_CBCFE,
  ENVCFG_CBIE,
  ENVCFG_CBZE,
  ENVCFG_STCE,
  MSTATUS_SXL_64,
  MSTATUS_UXL_64,
  Privilege,
  SEIP,
  SSIP,
  STIP,
} from '../hart/constants.ts';
import * as L from '../hart/layout.ts';
import type { Arena } from '../memory/arena.ts';

const LINE_BITS: Readonly<Record<ExternalInterrupt, bigint>> = {
  msip: 1n << 3n,
  mtip: 1n << 7n,
  meip: 1n << 11n,
  seip: 1n << 9n,
};
const NEVER = -1n;
/** Ticks per branch to begin with: about right for the interpreter; the live clock corrects it. */
const INITIAL_RATE = 1n << 23n;

/** The host's view of one hart block (hart/layout.ts). 64-bit fields are signed bigint unless said otherwise. */
export class Hart {
  /** Its number among the machine's harts. */
  readonly index: number;
  readonly address: number;
  /** Of a hart that has not run since it was restored (hart-state.ts). */
  waitingTranslations: Uint32Array | undefined;
  private readonly longs: BigInt64Array;
  private readonly base: number;

  constructor(arena: Arena, index: number) {
    this.index = index;
    this.address = arena.takeBlock(L.HART_BYTES);
    this.longs = arena.longs;
    this.base = this.address / 8;
  }

  /** Gives the block back; the hart is not to be used any more. */
  release(arena: Arena): void {
    arena.releaseBlock(this.address, L.HART_BYTES);
  }

  /** A 64-bit field by its offset in the layout. */
  get(offset: number): bigint {
    return this.longs[this.base + offset / 8]!;
  }

  put(offset: number, value: bigint): void {
    this.longs[this.base + offset / 8] = value;
  }

  /** The same, unsigned. */
  unsigned(offset: number): bigint {
    return BigInt.asUintN(64, this.get(offset));
  }

  x(register: number): bigint {
    return this.get(L.X_REGISTERS + 8 * register);
  }

  setX(register: number, value: bigint): void {
    if (register !== 0) this.put(L.X_REGISTERS + 8 * register, value);
  }

  get pc(): bigint {
    return this.unsigned(L.PC);
  }

  set pc(value: bigint) {
    this.put(L.PC, value);
  }

  get branches(): bigint {
    return this.get(L.BRANCHES);
  }

  get instructionsRetired(): bigint {
    return this.get(L.INSTRET);
  }

  get waiting(): boolean {
    return this.get(L.WAITING) !== 0n;
  }

  /** Interrupts that are pending and not masked by mie. */
  get interruptsPending(): boolean {
    return ((this.get(L.MIP_LINES) | this.get(L.MIP_SOFTWARE)) & this.get(L.MIE)) !== 0n;
  }

  /** Makes the run loop look for interrupts at the next counted transfer. */
  interruptsChanged(): void {
    this.put(L.LINES_CHANGED, 1n);
    this.put(L.STOP_BRANCHES, 0n);
  }

  setInterrupt(interrupt: ExternalInterrupt, level: boolean): void {
    const bit = LINE_BITS[interrupt];
    const lines = this.get(L.MIP_LINES);
    this.put(L.MIP_LINES, level ? lines | bit : lines & ~bit);
    this.interruptsChanged();
  }

  /** Guest time of the next interrupt that comes by itself, when it is `now`. */
  nextDeadline(now: bigint): bigint | undefined {
    const deadlines = [L.STIMECMP, L.MTIMECMP, L.DEVICE_DEADLINE].map((offset) => this.unsigned(offset));
    const ahead = deadlines.filter((ticks) => ticks > now && ticks < 1n << 63n);
    return ahead.sort((a, b) => Number(a - b))[0];
  }

  /** Waits as by `wfi`. */
  suspend(): void {
    this.put(L.WAITING, 1n);
  }

  /** The run loop returns at the next counted transfer. */
  requestExit(): void {
    this.put(L.EXIT_REQUEST, 1n);
    this.put(L.STOP_BRANCHES, 0n);
  }

  /** Revokes the host half of all translations: the next access to each page goes the long way. */
  revokeTranslations(): void {
    const entries = L.DATA_TLB_ENTRIES + L.FETCH_TLB_ENTRIES;
    for (let i = 0; i < entries; i++) {
      const entry = L.DATA_TLB + i * L.TLB_ENTRY_BYTES;
      this.put(entry + L.TLB_READ_TAG, NEVER);
      this.put(entry + L.TLB_WRITE_TAG, NEVER);
    }
  }

  /** To the state after reset (3.4), in M-mode at `pc`. Branch count, instruction count and time go on. */
  reset(pc: bigint): void {
    const kept = [L.BRANCHES, L.INSTRET, L.TIME_BASE_TICKS, L.TIME_BASE_BRANCHES, L.TIME_RATE];
    const values = kept.map((offset) => this.get(offset));
    this.longs.fill(0n, this.base, this.base + L.SAVED_END / 8);
    kept.forEach((offset, i) => {
      this.put(offset, values[i]!);
    });
    if (this.get(L.TIME_RATE) === 0n) this.put(L.TIME_RATE, INITIAL_RATE);
    this.put(L.PRIVILEGE, BigInt(Privilege.M));
    this.put(L.MSTATUS, MSTATUS_UXL_64 | MSTATUS_SXL_64);
    // As in QEMU: where the hart can set A and D bits, it does until it is told not to.
    this.put(L.MENVCFG, this.get(L.MENVCFG_WRITABLE) & ENVCFG_ADUE);
    this.put(L.RESERVATION_ADDRESS, NEVER);
    this.put(L.MTIMECMP, NEVER);
    this.put(L.STIMECMP, NEVER);
    this.put(L.DEVICE_DEADLINE, NEVER);
    this.pc = pc;
  }

  /** What firmware leaves behind for a supervisor: everything delegated that an SBI does not need itself. */
  enterSupervisor(): void {
    this.put(L.PRIVILEGE, BigInt(Privilege.S));
    this.put(L.SBI_CALLS, 1n);
    this.put(L.MEDELEG, 0xb1ffn);
    this.put(L.MIDELEG, SSIP | STIP | SEIP);
    this.put(L.MCOUNTEREN, 0xffff_ffffn);
    // Linux leaves user access to `time` to firmware; its vDSO reads the clock with it.
    this.put(L.SCOUNTEREN, 7n);
    const dirtyUpdate = this.get(L.MENVCFG) & ENVCFG_ADUE;
    this.put(L.MENVCFG, dirtyUpdate | ENVCFG_STCE | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE);
    // One region over everything, for S and U: NAPOT, all ones.
    this.put(L.PMPCFG, 0x1fn);
    this.put(L.PMPADDR, (1n << 54n) - 1n);
  }
}
