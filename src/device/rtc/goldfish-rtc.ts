import type { PlainData } from '../../state/plain-data.ts';
import { StateReader } from '../../state/state-reader.ts';
import type { AccessWidth, GuestClock, InterruptLine, MmioDevice } from '../device.ts';
import {
  RTC_ALARM_HIGH,
  RTC_ALARM_LOW,
  RTC_ALARM_STATUS,
  RTC_CLEAR_ALARM,
  RTC_CLEAR_INTERRUPT,
  RTC_IRQ_ENABLED,
  RTC_SIZE_BYTES,
  RTC_TIME_HIGH,
  RTC_TIME_LOW,
} from './registers.ts';

/** Of the saved state. */
const VERSION = 1;

const NANOSECONDS_PER_TICK = 100n;

/**
 * Goldfish real-time clock: guest time plus an offset that the guest sets, and one alarm. Registers take aligned 32-bit
 * accesses; others read as 0 and are ignored.
 *
 * The device has no timer of its own: the machine asks `nextAlarmTicks` when it plans how far the guest may run, and
 * calls `tick` when that time has come.
 */
export class GoldfishRtc implements MmioDevice {
  readonly name = 'rtc@0';
  readonly sizeBytes = RTC_SIZE_BYTES;

  private readonly clock: GuestClock;
  private readonly line: InterruptLine;
  /** Added to guest time, modulo 2^64 nanoseconds. */
  private offsetNanoseconds = 0n;
  private latchedTimeHigh = 0;
  private alarmNanoseconds = 0n;
  private alarmArmed = false;
  private interruptEnabled = false;
  private interruptPending = false;

  constructor(parts: { clock: GuestClock; line: InterruptLine }) {
    this.clock = parts.clock;
    this.line = parts.line;
  }

  /** Value of `GuestClock.ticks` at which the alarm is due; undefined when none is armed. */
  nextAlarmTicks(): bigint | undefined {
    if (!this.alarmArmed) return undefined;
    const now = this.now();
    const ticks = this.clock.ticks();
    if (this.alarmNanoseconds <= now) return ticks;
    return ticks + (this.alarmNanoseconds - now + NANOSECONDS_PER_TICK - 1n) / NANOSECONDS_PER_TICK;
  }

  /** Fires the alarm when it is armed and due; else does nothing. */
  tick(): void {
    if (!this.alarmArmed || this.now() < this.alarmNanoseconds) return;
    this.alarmArmed = false;
    this.interruptPending = true;
    this.updateLine();
  }

  read(offset: number, width: AccessWidth): number {
    if (width !== 4) return 0;
    switch (offset) {
      case RTC_TIME_LOW: {
        const now = this.now();
        this.latchedTimeHigh = Number(now >> 32n);
        return Number(now & 0xffff_ffffn);
      }
      case RTC_TIME_HIGH:
        return this.latchedTimeHigh;
      case RTC_ALARM_LOW:
        return Number(this.alarmNanoseconds & 0xffff_ffffn);
      case RTC_ALARM_HIGH:
        return Number(this.alarmNanoseconds >> 32n);
      case RTC_IRQ_ENABLED:
        return this.interruptEnabled ? 1 : 0;
      case RTC_ALARM_STATUS:
        return this.alarmArmed ? 1 : 0;
      default:
        return 0;
    }
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (width !== 4) return;
    switch (offset) {
      case RTC_TIME_LOW:
        this.setTime(withLowHalf(this.now(), value));
        break;
      case RTC_TIME_HIGH:
        this.setTime(withHighHalf(this.now(), value));
        break;
      case RTC_ALARM_LOW:
        this.alarmNanoseconds = withLowHalf(this.alarmNanoseconds, value);
        this.alarmArmed = true;
        this.tick();
        break;
      case RTC_ALARM_HIGH:
        this.alarmNanoseconds = withHighHalf(this.alarmNanoseconds, value);
        break;
      case RTC_IRQ_ENABLED:
        this.interruptEnabled = (value & 1) !== 0;
        this.updateLine();
        break;
      case RTC_CLEAR_ALARM:
        this.alarmArmed = false;
        break;
      case RTC_CLEAR_INTERRUPT:
        this.interruptPending = false;
        this.updateLine();
        break;
    }
  }

  /** The time that the guest has set stays, as a real clock's battery keeps it. */
  reset(): void {
    this.latchedTimeHigh = 0;
    this.alarmNanoseconds = 0n;
    this.alarmArmed = false;
    this.interruptEnabled = false;
    this.interruptPending = false;
    this.updateLine();
  }

  save(): PlainData {
    return {
      version: VERSION,
      offsetNanoseconds: this.offsetNanoseconds,
      latchedTimeHigh: this.latchedTimeHigh,
      alarmNanoseconds: this.alarmNanoseconds,
      alarmArmed: this.alarmArmed,
      interruptEnabled: this.interruptEnabled,
      interruptPending: this.interruptPending,
    };
  }

  restore(state: PlainData): void {
    const reader = StateReader.part(this.name, state, VERSION, [
      'offsetNanoseconds',
      'latchedTimeHigh',
      'alarmNanoseconds',
      'alarmArmed',
      'interruptEnabled',
      'interruptPending',
    ]);
    const offsetNanoseconds = reader.u64('offsetNanoseconds');
    const latchedTimeHigh = reader.integer('latchedTimeHigh', 0xffff_ffff);
    const alarmNanoseconds = reader.u64('alarmNanoseconds');
    const alarmArmed = reader.flag('alarmArmed');
    const interruptEnabled = reader.flag('interruptEnabled');
    const interruptPending = reader.flag('interruptPending');
    this.offsetNanoseconds = offsetNanoseconds;
    this.latchedTimeHigh = latchedTimeHigh;
    this.alarmNanoseconds = alarmNanoseconds;
    this.alarmArmed = alarmArmed;
    this.interruptEnabled = interruptEnabled;
    this.interruptPending = interruptPending;
    this.updateLine();
  }

  private now(): bigint {
    return BigInt.asUintN(64, this.clock.epochNanoseconds() + this.offsetNanoseconds);
  }

  private setTime(time: bigint): void {
    this.offsetNanoseconds = BigInt.asUintN(64, time - this.clock.epochNanoseconds());
    this.tick();
  }

  private updateLine(): void {
    this.line.set(this.interruptPending && this.interruptEnabled);
  }
}

function withLowHalf(time: bigint, half: number): bigint {
  return (time & ~0xffff_ffffn) | BigInt(half >>> 0);
}

function withHighHalf(time: bigint, half: number): bigint {
  return (time & 0xffff_ffffn) | (BigInt(half >>> 0) << 32n);
}
