/**
 * Seeds of generated tests. Each test has its own fixed one, so that what CI runs does not change by itself;
 * GODWIT_SEED replaces it. GODWIT_LONG=1 multiplies the number of cases.
 */
export function seedOf(test: string, usual: number): { seed: number; note: string } {
  const given = process.env.GODWIT_SEED;
  const seed = given === undefined ? usual : Number(given) >>> 0;
  return { seed, note: `${test}: replay with GODWIT_SEED=${seed}` };
}

export const LONG = process.env.GODWIT_LONG === '1';
