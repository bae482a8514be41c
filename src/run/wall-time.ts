import { TICKS_PER_SECOND } from '../hart/library/timer.ts';
import type { MachineCore } from '../machine/core.ts';

/*
 * A machine may be away: kept in a file, forked from, paused, or in a process or on a host that stood still. Linux
 * takes a long jump of its monotonic time for a fault of its own: the watchdogs for soft lockups, RCU stalls, hung
 * tasks and clock sources measure with it. So guest time makes up for a short absence only. After a longer one it goes
 * on from where it was, and the real-time clock jumps (docs/DETERMINISM.md, "Absence").
 */

/**
 * How guest time agrees with the wall clock.
 *
 * - `follow`: what is said above, after each absence.
 * - `steps`: guest time makes up for any absence, in steps, whenever the guest rests. Until then its clocks are behind.
 * - `keep`: the wall clock is not looked at. Guest time goes on as fast as the wall's, from where it was.
 */
export type ClockMode = 'follow' | 'steps' | 'keep';

const NANOSECONDS_PER_TICK = 1_000_000_000n / BigInt(TICKS_PER_SECOND);
/**
 * An absence that guest time makes up for. Linux' watchdogs have patience for 20 s (soft lockups), 21 s (RCU) and 120 s
 * (hung tasks).
 */
export const SHORT_ABSENCE_MS = 1000;
const SHORT_ABSENCE_NANOSECONDS = BigInt(SHORT_ABSENCE_MS) * 1_000_000n;
/**
 * How far guest time may jump while the guest rests. No processor is held then. But Linux' scheduler's clock
 * (sched_clock) overflows when it has not been read for 8796 s. A timer reads it after 4398 s, which must come between
 * two jumps.
 */
const STEP_AT_REST_TICKS = 4000n * BigInt(TICKS_PER_SECOND);
/** A deadline nearer than this is a tick, or RCU in the midst of a grace period: no rest. */
const REST_TICKS = BigInt(TICKS_PER_SECOND) / 50n;

/** What is to be done about a wall clock that shows something else than the guest's. */
export type WallChange =
  /** Guest time is to go forward by so much, all at once or faster than usual. */
  | { readonly kind: 'catch-up'; readonly ticks: bigint }
  /** Guest time goes on, and the real-time clock is to be set. */
  | { readonly kind: 'jump' };

/** `behind`: nanoseconds that the guest's real-time clock is behind the wall; negative when it is ahead. */
export function wallChange(behind: bigint): WallChange {
  if (behind < 0n || behind > SHORT_ABSENCE_NANOSECONDS) return { kind: 'jump' };
  return { kind: 'catch-up', ticks: behind / NANOSECONDS_PER_TICK };
}

/** Guest time that makes up for a part of it, or for all, at rest. */
export function restingStep(behind: bigint): bigint {
  const ticks = behind / NANOSECONDS_PER_TICK;
  return ticks < STEP_AT_REST_TICKS ? ticks : STEP_AT_REST_TICKS;
}

/** What the guest's real-time clock shows at guest time `ticks`, but for what the guest itself has set. */
export function wallAt(core: MachineCore, ticks: bigint): bigint {
  return core.clock.epochNanoseconds() + (ticks - core.ticks) * NANOSECONDS_PER_TICK;
}

/** The wall clock at guest time 0, when it shows this at guest time `ticks`. Not before 1970. */
export function epochFor(wallNanoseconds: bigint, ticks: bigint): bigint {
  const epoch = wallNanoseconds - ticks * NANOSECONDS_PER_TICK;
  return epoch > 0n ? epoch : 0n;
}

/** Whether the guest waits and will for a while, for nothing that a disk owes it. */
export function atRest(core: MachineCore): boolean {
  if (!core.waiting || core.current.interruptsPending || core.awaitsDisk) return false;
  const deadline = core.nextDeadline();
  return deadline === undefined || deadline - core.ticks >= REST_TICKS;
}
