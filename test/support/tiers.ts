import type { TranslationOptions } from '../../src/machine/engine.ts';

/**
 * Where everything is translated at its first visit a boot of Linux takes half a minute, most of it in V8's compiler.
 */
const PATIENCE: Readonly<Record<string, number>> = { interpreter: 3, translated: 10 };

/** A time limit for tests of the product as it is, for the tier under test. */
export function patient(milliseconds: number): number {
  return milliseconds * (PATIENCE[process.env.GODWIT_TIER ?? ''] ?? 1);
}

/**
 * What executes the guest in tests that do not say otherwise: `GODWIT_TIER=interpreter`, `translated` (everything at
 * its first visit), or a number of visits. Unset: as the product does.
 */
export function tierUnderTest(): Partial<TranslationOptions> {
  const tier = process.env.GODWIT_TIER;
  if (tier === undefined || tier === '') return {};
  if (tier === 'interpreter') return { enabled: false };
  const threshold = tier === 'translated' ? 1 : Number(tier);
  if (!Number.isInteger(threshold) || threshold < 1) throw new Error(`GODWIT_TIER=${tier} is no tier`);
  return { enabled: true, threshold };
}
