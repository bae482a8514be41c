import type { TranslationOptions } from '../../src/machine/engine.ts';

/**
 * What executes the guest in tests that do not say otherwise: `GODWIT_TIER=interpreter`, `translated` (everything at its first
 * visit), or a number of visits. Unset: as the product does.
 */
export function tierUnderTest(): Partial<TranslationOptions> {
  const tier = process.env.GODWIT_TIER;
  if (tier === undefined || tier === '') return {};
  if (tier === 'interpreter') return { enabled: false };
  const threshold = tier === 'translated' ? 1 : Number(tier);
  if (!Number.isInteger(threshold) || threshold < 1) throw new Error(`GODWIT_TIER=${tier} is no tier`);
  return { enabled: true, threshold };
}
