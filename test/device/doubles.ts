import type { Entropy, ExternalInterrupt, GuestClock, HartInterrupts, InterruptLine } from '../../src/device/device.ts';
import type { PlainData } from '../../src/state/plain-data.ts';

/** Keeps the interrupt bits of some harts. */
export class HartsDouble implements HartInterrupts {
  readonly hartCount: number;
  readonly levels = new Map<string, boolean>();

  constructor(hartCount: number) {
    this.hartCount = hartCount;
  }

  set(hart: number, interrupt: ExternalInterrupt, level: boolean): void {
    if (hart < 0 || hart >= this.hartCount) throw new Error(`hart ${hart} does not exist`);
    this.levels.set(`${interrupt}${hart}`, level);
  }

  get(hart: number, interrupt: ExternalInterrupt): boolean {
    return this.levels.get(`${interrupt}${hart}`) ?? false;
  }

  snapshot(): string {
    return [...this.levels]
      .filter(([, level]) => level)
      .map(([name]) => name)
      .sort()
      .join(' ');
  }
}

export class LineDouble implements InterruptLine {
  level = false;
  edges = 0;

  set(level: boolean): void {
    if (level !== this.level) this.edges++;
    this.level = level;
  }
}

/** A clock that stands until it is moved. */
export class ClockDouble implements GuestClock {
  now = 0n;
  readonly epoch = 1_700_000_000_000_000_000n;

  ticks(): bigint {
    return this.now;
  }

  epochNanoseconds(): bigint {
    return this.epoch + this.now * 100n;
  }
}

export class EntropyDouble implements Entropy {
  next = 1;

  fill(into: Uint8Array): void {
    for (let index = 0; index < into.length; index++) into[index] = this.next++ & 0xff;
  }
}

/** A small seeded generator (mulberry32). */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 to `bound` - 1. */
  below(bound: number): number {
    return this.u32() % bound;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.u32() & 0xff);
  }
}

/** Runs a property for a few seeds; the seed is in the message of what fails. GODWIT_SEED runs one seed only. */
export function forSeeds(count: number, property: (random: Random) => void): void {
  const only = process.env.GODWIT_SEED;
  const seeds = only === undefined ? Array.from({ length: count }, (_, index) => 1000 + index) : [Number(only)];
  for (const seed of seeds) {
    try {
      property(new Random(seed));
    } catch (error) {
      throw new Error(`failed with GODWIT_SEED=${seed}`, { cause: error });
    }
  }
}

/**
 * All ways to spoil one field of a saved record: missing, of another type, out of range, and an unknown one beside it.
 */
export function damagedStates(state: PlainData): PlainData[] {
  if (state === null || typeof state !== 'object' || Array.isArray(state) || state instanceof Uint8Array) {
    throw new Error('a state is a record');
  }
  const damaged: PlainData[] = [null, 1, 'x', [], new Uint8Array(4)];
  for (const [name, value] of Object.entries(state)) {
    const { [name]: _, ...without } = state;
    damaged.push(without, { ...state, [name]: 'x' }, { ...state, [name]: null });
    if (typeof value === 'number') damaged.push({ ...state, [name]: -1 }, { ...state, [name]: 0.5 });
    if (typeof value === 'bigint') damaged.push({ ...state, [name]: -1n }, { ...state, [name]: 1n << 64n });
    if (value instanceof Uint8Array) damaged.push({ ...state, [name]: new Uint8Array(1 << 20) });
    if (Array.isArray(value)) damaged.push({ ...state, [name]: [...value, 'x'] });
  }
  return damaged;
}
