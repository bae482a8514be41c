/** Words of a lock: the lock itself. */
export const LOCK_WORDS = 1;

/** The lock's word: who has it, above a bit that says whether others may sleep. 0: nobody. */
const SLEEPERS = 1;
const FREE = 0;
/** Frame faults take about a microsecond: most often it is free again before a thread could be put to sleep. */
const SPINS = 200;

/**
 * Mutual exclusion between the threads of one memory (U. Drepper, "Futexes Are Tricky", 2011, mutex 2, with the
 * holder's number in place of 1). The same thread may take it again. Not for a thread that must not sleep.
 */
export class MemoryLock {
  private readonly word: Int32Array;
  private readonly mine: number;
  private depth = 0;

  /** `holder`: the thread's number, from 0. */
  constructor(word: Int32Array, holder: number) {
    this.word = word;
    this.mine = (holder + 1) << 1;
  }

  acquire(): void {
    if (this.depth++ > 0) return;
    for (let i = 0; i < SPINS; i++) if (Atomics.compareExchange(this.word, 0, FREE, this.mine) === FREE) return;
    this.sleepUntilFree();
  }

  private sleepUntilFree(): void {
    const { word, mine } = this;
    for (;;) {
      const seen = Atomics.load(word, 0);
      // Others may sleep besides, so whoever has slept says so when it gets the lock.
      if (seen === FREE) {
        if (Atomics.compareExchange(word, 0, FREE, mine | SLEEPERS) === FREE) return;
      } else if (seen & SLEEPERS || Atomics.compareExchange(word, 0, seen, seen | SLEEPERS) === seen) {
        Atomics.wait(word, 0, seen | SLEEPERS);
      }
    }
  }

  /** Takes it if it is free. For threads that must not sleep. */
  tryAcquire(): boolean {
    if (this.depth === 0 && Atomics.compareExchange(this.word, 0, FREE, this.mine) !== FREE) return false;
    this.depth++;
    return true;
  }

  release(): void {
    if (--this.depth > 0) return;
    if (Atomics.exchange(this.word, 0, FREE) & SLEEPERS) Atomics.notify(this.word, 0, 1);
  }
}

/** Which thread has the lock. */
export function holderOf(word: Int32Array): number | undefined {
  const seen = Atomics.load(word, 0);
  return seen === FREE ? undefined : (seen >> 1) - 1;
}
