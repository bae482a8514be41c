import { TICKS_PER_SECOND } from '../hart/library/timer.ts';
import type { MachineCore } from '../machine/core.ts';
import type { ExternalEvent } from '../machine/events.ts';
import { type LoggedEvent, stamp } from './replay-runner.ts';

const SECOND = BigInt(TICKS_PER_SECOND);
const NANOSECONDS_PER_TICK = 1_000_000_000n / SECOND;

/**
 * How far guest time may jump at once. What limits it is Linux, which a jump of any length keeps on time, but which
 * takes a long one in the midst of work for a fault:
 *
 * - At work, its soft-lockup detector looks every 4 s whether the processor was held for 20 s, and RCU for 21 s.
 *   Whoever runs is charged for the jump by the scheduler, too.
 * - At rest no processor is held. But its scheduler's clock (sched_clock) overflows when it has not been read for 8796
 *   s. A timer reads it after 4398 s, which must come between two jumps.
 */
const JUMP_AT_WORK = 5n * SECOND;
const JUMP_AT_REST = 4000n * SECOND;
/** A deadline nearer than this is a tick, or RCU in the midst of a grace period: no rest. */
const REST = SECOND / 50n;
/** A guest that is further ahead of the wall than this is not made to wait for it. */
const AHEAD_NANOSECONDS = 50_000_000n;
/** Between two jumps the guest runs this far, for its timers to see the first. */
export const BRANCHES_BETWEEN_JUMPS = 50_000;
/** A tick of Linux and some work fit well into what a jump may be short of. */
const NEAR = SECOND / 20n;

/** Guest time at which the guest's wall clock, as its real-time clock has it, shows this. */
export function ticksAtWall(core: MachineCore, wallNanoseconds: bigint): bigint {
  return core.ticks + (wallNanoseconds - core.clock.epochNanoseconds()) / NANOSECONDS_PER_TICK;
}

/**
 * Guest time never goes back, so for a guest that is ahead of the wall only its real-time clock can be set; it asks
 * that clock when it likes. Undefined when it is not ahead, or by so little that it can wait.
 */
export function epochCorrection(core: MachineCore, wallNanoseconds: bigint): ExternalEvent | undefined {
  if (core.clock.epochNanoseconds() - wallNanoseconds <= AHEAD_NANOSECONDS) return undefined;
  return { kind: 'epoch', nanoseconds: wallNanoseconds - core.ticks * NANOSECONDS_PER_TICK };
}

/** Whether the guest waits and will for a while, for nothing that a disk owes it. */
export function atRest(core: MachineCore): boolean {
  if (!core.waiting || core.current.interruptsPending || core.awaitsDisk) return false;
  const deadline = core.nextDeadline();
  return deadline === undefined || deadline - core.ticks >= REST;
}

/** The longest step towards guest time `target` that the guest takes well here. */
export function stepTowards(core: MachineCore, target: bigint): bigint {
  const { ticks } = core;
  const furthest = ticks + (atRest(core) ? JUMP_AT_REST : JUMP_AT_WORK);
  return target < furthest ? target : furthest;
}

/**
 * Brings a machine to guest time `target` without the help of a clock, and gives what was delivered for it. It runs for
 * as long as it takes: nothing for a guest at rest and up to 4000 seconds, else some 50 thousand branches for each
 * jump.
 */
export function catchUp(core: MachineCore, target: bigint): LoggedEvent[] {
  const events: LoggedEvent[] = [];
  while (target - core.ticks > NEAR) {
    if (!core.acceptsEvents && core.run(core.current.branches + 1n).kind === 'finished') break;
    events.push(stamp(core, { kind: 'clock', ticks: stepTowards(core, target), rate: core.clockRate }));
    if (target - core.ticks > NEAR && !runOn(core)) break;
  }
  return events;
}

/** Until the guest rests, or for a little while. False when it has ended, or stopped for a debugger. */
function runOn(core: MachineCore): boolean {
  const end = core.current.branches + BigInt(BRANCHES_BETWEEN_JUMPS);
  while (core.current.branches < end) {
    const outcome = core.run(end);
    if (outcome.kind === 'slice') continue;
    if (outcome.kind !== 'waiting') return false;
    if (outcome.deadline === undefined || atRest(core)) return true;
    core.skipTo(outcome.deadline);
  }
  return true;
}
