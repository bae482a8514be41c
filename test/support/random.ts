/** Whole numbers from 0 to below `limit`, always the same for a seed. */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = (seed * 0x9e3779b9) >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}
