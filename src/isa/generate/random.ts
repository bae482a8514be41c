import { invariant } from '../../common/invariant.ts';

/** A small, fast, seeded generator (sfc32 of PractRand); the same seed gives the same tests everywhere. */
export class Random {
  readonly seed: number;
  private a: number;
  private b = 0x9e37_79b9;
  private c = 0x243f_6a88;
  private counter = 1;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.a = seed | 0;
    for (let i = 0; i < 12; i++) this.word();
  }

  /** 32 bits, unsigned. */
  word(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 to limit - 1. */
  below(limit: number): number {
    return Math.floor((this.word() / 0x1_0000_0000) * limit);
  }

  /** low to high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: ArrayLike<T>): T {
    invariant(items.length > 0, 'what is picked from is not empty');
    return items[this.below(items.length)]!;
  }

  long(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }
}
