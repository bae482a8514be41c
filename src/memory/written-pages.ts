/** A set of pages: those written since it was made. One bit for each page of guest RAM. */
export class WrittenPages {
  private readonly bits: Uint32Array;
  private readonly pageCount: number;
  private counted = 0;

  constructor(pageCount: number) {
    this.pageCount = pageCount;
    this.bits = new Uint32Array(Math.ceil(pageCount / 32));
  }

  add(page: number): void {
    const index = page >>> 5;
    const bit = 1 << (page & 31);
    if (this.bits[index]! & bit) return;
    this.bits[index]! |= bit;
    this.counted++;
  }

  has(page: number): boolean {
    return (this.bits[page >>> 5]! & (1 << (page & 31))) !== 0;
  }

  get size(): number {
    return this.counted;
  }

  /** Rising. */
  *pages(): Generator<number> {
    for (let index = 0; index < this.bits.length; index++) {
      let word = this.bits[index]!;
      while (word !== 0) {
        const bit = 31 - Math.clz32(word & -word);
        const page = index * 32 + bit;
        if (page < this.pageCount) yield page;
        word &= word - 1;
      }
    }
  }
}
