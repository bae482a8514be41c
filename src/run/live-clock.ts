import { TICKS_PER_SECOND, TIME_FRACTION_BITS } from '../hart/library/timer.ts';
import type { ExternalEvent } from '../machine/events.ts';

const TICKS_PER_MS = TICKS_PER_SECOND / 1000;
const FRACTION = 2 ** TIME_FRACTION_BITS;
/** Drift that is left alone; smaller corrections would fill recordings for nothing. */
const TOLERANCE_MS = 2;
/** Guest time that is further behind is set right at once instead of being run faster. */
const STEP_MS = 50;
/** A correction aims to be through after this long. */
const HORIZON_MS = 100;
const RATE_LIMITS = { least: 2 ** -12, most: 8 };

interface Correction {
  event?: Extract<ExternalEvent, { kind: 'clock' }>;
  aheadMs?: number;
}

/**
 * Keeps guest time with the wall clock. Guest time is a function of the branch count; when it has drifted from the
 * wall, the rate is set anew from how fast branches went by lately. Each correction is an event, so recordings hold
 * them.
 */
export class LiveClock {
  private origin: { ms: number; ticks: number };
  private last: { ms: number; branches: number };
  private branchesPerMs = 0;

  constructor(nowMs: number, ticks: number, branches: number) {
    this.origin = { ms: nowMs, ticks };
    this.last = { ms: nowMs, branches };
  }

  /** Guest time that the wall clock asks for. */
  wallTicks(nowMs: number): number {
    return this.origin.ticks + (nowMs - this.origin.ms) * TICKS_PER_MS;
  }

  /** Milliseconds until guest time `ticks` is due; negative when it is past. */
  msUntil(ticks: number, nowMs: number): number {
    return (ticks - this.wallTicks(nowMs)) / TICKS_PER_MS;
  }

  /** The wall clock asks for guest time `ticks` now, and for more as it goes on. */
  aim(nowMs: number, ticks: number): void {
    this.origin = { ms: nowMs, ticks };
  }

  /** So much of the wall's time is none of the guest's: the machine was kept from executing. */
  leaveOut(ms: number): void {
    this.origin = { ...this.origin, ms: this.origin.ms + ms };
    this.last = { ...this.last, ms: this.last.ms + ms };
  }

  /** After a stop of the machine that the guest is not to notice: guest time goes on from `ticks`. */
  restart(nowMs: number, ticks: number, branches: number): void {
    this.origin = { ms: nowMs, ticks };
    this.last = { ms: nowMs, branches };
  }

  /** How fast branches went by since the last call; idle stretches are left out by calling `resumed` after them. */
  observe(nowMs: number, branches: number): void {
    const ms = nowMs - this.last.ms;
    if (ms <= 0.2) return;
    const speed = (branches - this.last.branches) / ms;
    this.branchesPerMs = this.branchesPerMs === 0 ? speed : this.branchesPerMs * 0.8 + speed * 0.2;
    this.last = { ms: nowMs, branches };
  }

  resumed(nowMs: number, branches: number): void {
    this.last = { ms: nowMs, branches };
  }

  /** The event that sets guest time right, or undefined when it is near enough. `aheadMs`: wait that long instead. */
  correction(nowMs: number, ticks: number, rate: bigint): Correction {
    const driftMs = this.msUntil(ticks, nowMs); // positive: the guest is ahead
    if (Math.abs(driftMs) <= TOLERANCE_MS || this.branchesPerMs <= 0) return {};
    const set = driftMs < -STEP_MS ? Math.floor(this.wallTicks(nowMs)) : ticks;
    const haste = set > ticks ? 1 : Math.min(2, Math.max(0.5, 1 - driftMs / HORIZON_MS));
    const wanted = (TICKS_PER_MS / this.branchesPerMs) * haste;
    const next = BigInt(Math.round(Math.min(RATE_LIMITS.most, Math.max(RATE_LIMITS.least, wanted)) * FRACTION));
    const changed = Number(next - rate) / Number(rate);
    const worthwhile = set !== ticks || Math.abs(changed) > 0.02;
    const correction: Correction = {};
    if (worthwhile) correction.event = { kind: 'clock', ticks: BigInt(set), rate: next };
    if (driftMs > STEP_MS) correction.aheadMs = driftMs;
    return correction;
  }
}
