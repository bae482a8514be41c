import type { MachineCore } from '../machine/core.ts';
import { type StampedArrival, stamp } from './arrivals.ts';
import { catchUp, epochCorrection, ticksAtWall } from './wall-time.ts';

/** What tells a machine from all others that go on from the same state. */
export interface Identity {
  /** 32 fresh random bytes. */
  readonly seed: Uint8Array;
  /** 16 fresh random bytes. */
  readonly generationId: Uint8Array;
}

export interface Individual extends Identity {
  /** What the wall clock shows: nanoseconds since 1970. */
  readonly wallNanoseconds: bigint;
}

/**
 * Makes a machine that was forked or restored another one: its random numbers are its own, the guest is told so, and its clock is
 * right. Returns what was delivered, which is part of a recording. A machine for which this is not called is a twin: it goes on exactly as
 * the one that it came from.
 *
 * The clock comes first, so that all the rest happens at the right time; a waiting hart is told the time in any case, because its time
 * may have been skipped at this very point, which a replay would do only after it has delivered what is recorded for it.
 */
export function becomeIndividual(core: MachineCore, individual: Individual): StampedArrival[] {
  const { seed, generationId, wallNanoseconds } = individual;
  const arrivals = catchUp(core, ticksAtWall(core, wallNanoseconds));
  if (!core.acceptsArrivals && core.run(core.hart.branches + 1n).kind === 'finished') return arrivals;
  const epoch = epochCorrection(core, wallNanoseconds);
  if (core.hart.waiting) arrivals.push(stamp(core, { kind: 'clock', ticks: core.ticks, rate: core.clockRate }));
  if (epoch) arrivals.push(stamp(core, epoch));
  arrivals.push(stamp(core, { kind: 'individual', seed, generationId }));
  return arrivals;
}
