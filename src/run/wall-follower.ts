import type { MachineCore } from '../machine/core.ts';
import type { HostClock } from '../platform/clock.ts';
import type { LiveClock } from './live-clock.ts';
import { atRest, type ClockMode, epochFor, restingStep, wallAt, wallChange } from './wall-time.ts';

/** The wall clock is looked at this often: it is set at times, and goes on while a host is suspended. */
const LOOK_MS = 1000;
/** Nanoseconds that are left alone between absences: smaller corrections would fill recordings for nothing. */
const TOLERANCE = 100_000_000n;
/** After an absence everything that can be told apart is set right. */
const TOLERANCE_AFTER_ABSENCE = 1_000_000n;

export interface WallFollowerParts {
  readonly core: MachineCore;
  readonly host: HostClock;
  /** What guest time is to be. */
  readonly clock: () => LiveClock;
  /** Sets the real-time clock: `epochNanoseconds` is the wall clock's at guest time 0. */
  readonly setEpoch: (epochNanoseconds: bigint, wallNanoseconds: bigint) => void;
}

/** Keeps the clocks of a live machine with the wall clock, whatever becomes of either (wall-time.ts). */
export class WallFollower {
  private readonly parts: WallFollowerParts;
  private mode: ClockMode = 'keep';
  private wasAway = false;
  private lookedMs = -Infinity;

  constructor(parts: WallFollowerParts) {
    this.parts = parts;
  }

  /** The machine was somewhere else until now. */
  follow(mode: ClockMode): void {
    this.mode = mode;
    this.wasAway = true;
  }

  /** The machine did not execute for a while. */
  noteAbsence(): void {
    this.wasAway = true;
  }

  get isDue(): boolean {
    if (this.mode === 'keep') return false;
    return this.wasAway || this.parts.host.nowMs() - this.lookedMs >= LOOK_MS;
  }

  /** Where events can be delivered. */
  look(): void {
    const { clock } = this.parts;
    const tolerance = this.wasAway ? TOLERANCE_AFTER_ABSENCE : TOLERANCE;
    this.wasAway = false;
    const { nowMs, wanted, wall, behind } = this.compare();
    this.lookedMs = nowMs;
    if (behind <= tolerance && behind >= -tolerance) return;
    const change = wallChange(behind);
    if (change.kind === 'catch-up') clock().aim(nowMs, Number(wanted + change.ticks));
    else if (behind < 0n || this.mode === 'follow') this.setEpoch(wall, wanted);
  }

  /** `wanted`: what guest time is to be. `behind`: nanoseconds that the guest's wall clock is behind `wall` then. */
  private compare(): { nowMs: number; wanted: bigint; wall: bigint; behind: bigint } {
    const { core, host, clock } = this.parts;
    const nowMs = host.nowMs();
    const wanted = BigInt(Math.floor(clock().wallTicks(nowMs)));
    const wall = host.epochNanoseconds();
    return { nowMs, wanted, wall, behind: wall - wallAt(core, wanted) };
  }

  private setEpoch(wall: bigint, ticks: bigint): void {
    const epoch = epochFor(wall, ticks);
    // A wall clock of before 1970 cannot be followed.
    if (epoch !== epochFor(wallAt(this.parts.core, ticks), ticks)) this.parts.setEpoch(epoch, wall);
  }

  /** Guest time that the guest may jump to now, since it rests; undefined: it need not, or must not. */
  stepAtRest(): bigint | undefined {
    if (this.mode !== 'steps' || !atRest(this.parts.core)) return undefined;
    const { wanted, behind } = this.compare();
    return behind > TOLERANCE ? wanted + restingStep(behind) : undefined;
  }
}
