import { GodwitError } from '../../common/errors.ts';
import type { PlainData } from '../../state/plain-data.ts';
import { StateReader } from '../../state/state-reader.ts';
import type { AccessWidth, GuestClock, HartInterrupts, MmioDevice } from '../device.ts';
import { CLINT_MAX_HARTS, CLINT_MSIP, CLINT_MTIME, CLINT_MTIMECMP, CLINT_SIZE_BYTES } from './registers.ts';

/** Of the saved state. */
const VERSION = 1;

/** The `mtimecmp` registers. They are part of the harts' state, where the comparator is, which drives `mip.MTIP`. */
export interface TimerCompare {
  get(hart: number): bigint;
  set(hart: number, value: bigint): void;
}

/**
 * Core-local interruptor: software interrupts and timers of all harts. Registers take aligned 32-bit accesses (64-bit
 * ones come as two); narrower or misaligned ones read as 0 and are ignored. `mtime` follows the branch count and cannot
 * be written.
 */
export class Clint implements MmioDevice {
  readonly name = 'clint';
  readonly sizeBytes = CLINT_SIZE_BYTES;

  private readonly harts: HartInterrupts;
  private readonly clock: GuestClock;
  private readonly compare: TimerCompare;
  private readonly msip: Uint8Array;

  constructor(parts: { harts: HartInterrupts; clock: GuestClock; compare: TimerCompare }) {
    const { hartCount } = parts.harts;
    if (hartCount < 1 || hartCount > CLINT_MAX_HARTS) {
      throw new GodwitError('limit', `A CLINT serves 1 to ${CLINT_MAX_HARTS} harts, not ${hartCount}.`);
    }
    this.harts = parts.harts;
    this.clock = parts.clock;
    this.compare = parts.compare;
    this.msip = new Uint8Array(hartCount);
  }

  read(offset: number, width: AccessWidth): number {
    if (width !== 4 || (offset & 3) !== 0) return 0;
    if (offset < CLINT_MTIMECMP) return this.msip[(offset - CLINT_MSIP) >> 2] ?? 0;
    if (offset === CLINT_MTIME) return lowHalf(this.clock.ticks());
    if (offset === CLINT_MTIME + 4) return highHalf(this.clock.ticks());
    const hart = (offset - CLINT_MTIMECMP) >> 3;
    if (hart >= this.msip.length) return 0;
    const value = this.compare.get(hart);
    return (offset & 4) === 0 ? lowHalf(value) : highHalf(value);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (width !== 4 || (offset & 3) !== 0) return;
    if (offset < CLINT_MTIMECMP) {
      this.writeMsip((offset - CLINT_MSIP) >> 2, value & 1);
      return;
    }
    const hart = (offset - CLINT_MTIMECMP) >> 3;
    if (hart >= this.msip.length) return;
    const before = this.compare.get(hart);
    const half = BigInt(value >>> 0);
    const after = (offset & 4) === 0 ? (before & ~0xffff_ffffn) | half : (before & 0xffff_ffffn) | (half << 32n);
    this.compare.set(hart, after);
  }

  /** Clears the software interrupts; `mtimecmp` is reset with the harts. */
  reset(): void {
    for (let hart = 0; hart < this.msip.length; hart++) this.writeMsip(hart, 0);
  }

  save(): PlainData {
    return { version: VERSION, msip: [...this.msip] };
  }

  restore(state: PlainData): void {
    const msip = StateReader.part(this.name, state, VERSION, ['msip']).integers('msip', this.msip.length, 1);
    msip.forEach((level, hart) => {
      this.writeMsip(hart, level);
    });
  }

  private writeMsip(hart: number, level: number): void {
    if (hart >= this.msip.length) return;
    this.msip[hart] = level;
    this.harts.set(hart, 'msip', level === 1);
  }
}

function lowHalf(value: bigint): number {
  return Number(value & 0xffff_ffffn);
}

function highHalf(value: bigint): number {
  return Number((value >> 32n) & 0xffff_ffffn);
}
