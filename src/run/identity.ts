import { VMGENID_BYTES } from '../device/vmgenid/registers.ts';
import type { MachineCore } from '../machine/core.ts';
import type { ExternalEvent } from '../machine/events.ts';
import { type LoggedEvent, stamp } from './replay-runner.ts';
import { catchUp, epochCorrection, ticksAtWall } from './wall-time.ts';

/** All hosts have it; this part compiles without the types of any. */
const { crypto } = globalThis as unknown as { crypto: { getRandomValues(into: Uint8Array): Uint8Array } };

const SEED_BYTES = 32;

/** What tells a machine from all others that go on from the same state. */
export interface Identity {
  /** 32 fresh random bytes. */
  readonly seed: Uint8Array;
  /** 16 fresh random bytes. */
  readonly generationId: Uint8Array;
}

/** What makes of a copy a machine of its own. */
export function freshIdentityEvents(): ExternalEvent[] {
  const random = (lengthBytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(lengthBytes));
  return [{ kind: 'identity', seed: random(SEED_BYTES), generationId: random(VMGENID_BYTES) }];
}

export interface FreshIdentity extends Identity {
  /** What the wall clock shows: nanoseconds since 1970. */
  readonly wallNanoseconds: bigint;
}

/**
 * Makes a machine that was forked or restored another one: its random numbers are its own, the guest is told so, and
 * its clock is right. Returns what was delivered, which is part of a recording. A machine for which this is not called
 * keeps its identity: it goes on exactly as the one that it came from.
 *
 * The clock comes first, so that all the rest happens at the right time; a waiting hart is told the time in any case,
 * because its time may have been skipped at this very point, which a replay would do only after it has delivered what
 * is recorded for it.
 */
export function takeFreshIdentity(core: MachineCore, identity: FreshIdentity): LoggedEvent[] {
  const { seed, generationId, wallNanoseconds } = identity;
  const events = catchUp(core, ticksAtWall(core, wallNanoseconds));
  if (!core.acceptsEvents && core.run(core.current.branches + 1n).kind === 'finished') return events;
  const epoch = epochCorrection(core, wallNanoseconds);
  if (core.waiting) events.push(stamp(core, { kind: 'clock', ticks: core.ticks, rate: core.clockRate }));
  if (epoch) events.push(stamp(core, epoch));
  events.push(stamp(core, { kind: 'identity', seed, generationId }));
  return events;
}
