import { VMGENID_BYTES } from '../device/vmgenid/registers.ts';
import type { ExternalEvent } from '../machine/events.ts';

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
