interface Holder {
  readonly start: number;
  readonly end: number;
  readonly done: Promise<unknown>;
}

/**
 * Lets sections run side by side whose ranges of bytes do not overlap. Those that do run in the order in which they
 * came.
 */
export class RangeLock {
  private readonly holders = new Set<Holder>();

  run<T>(offset: number, length: number, section: () => Promise<T>): Promise<T> {
    const end = offset + length;
    const earlier = [...this.holders].filter((other) => other.start < end && offset < other.end);
    const result = earlier.length === 0 ? section() : Promise.all(earlier.map(({ done }) => done)).then(section);
    const holder: Holder = { start: offset, end, done: result.catch(() => {}) };
    this.holders.add(holder);
    void holder.done.then(() => this.holders.delete(holder));
    return result;
  }
}
