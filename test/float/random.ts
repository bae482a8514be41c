/** A small seeded generator (xorshift32, Marsaglia 2003); the same seed gives the same tests. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0 || 1;
  }

  /** 32 bits, unsigned. */
  word(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  below(limit: number): number {
    return this.word() % limit;
  }

  bits(width: 32 | 64): bigint {
    const low = BigInt(this.word());
    return width === 32 ? low : (BigInt(this.word()) << 32n) | low;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}
