import { GodwitError } from '../common/errors.ts';

export const SEED_BYTES = 32;

/**
 * The 32 bytes that all of a machine's random numbers follow from: those given, those that 64 hexadecimal digits say,
 * the SHA-256 hash of any other text, or fresh ones.
 */
export async function machineSeed(seed: string | Uint8Array | undefined): Promise<Uint8Array> {
  if (seed === undefined) return crypto.getRandomValues(new Uint8Array(SEED_BYTES));
  if (typeof seed !== 'string') {
    if (seed.length === SEED_BYTES) return seed.slice();
    throw new GodwitError('usage', `A seed has ${SEED_BYTES} bytes, not ${seed.length}.`, {
      hint: 'A text may have any length.',
    });
  }
  if (seed === '') throw new GodwitError('usage', 'A seed cannot be empty.');
  if (/^[0-9a-f]{64}$/i.test(seed)) return fromHex(seed);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(seed)));
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}
