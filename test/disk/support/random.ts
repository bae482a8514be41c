/** How many times the usual number of seeds the random tests go through: GODWIT_SEED_FACTOR=20 for a night. */
export const seedFactor = Number(process.env.GODWIT_SEED_FACTOR ?? 1);

/** A small seeded generator (mulberry32), so that every failure can be had again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 <= result < limit */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    // Runs of one value now and then, so that there is something to compress.
    for (let at = 0; at < length; ) {
      const run = Math.min(length - at, this.chance(30) ? 1 + this.below(4096) : 1 + this.below(16));
      const value = this.below(256);
      for (const end = at + run; at < end; at++) bytes[at] = run > 16 ? value : this.below(256);
    }
    return bytes;
  }
}
