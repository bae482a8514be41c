/** So many at one place within so many looks at what is finished (`tick`) are worth another translation. */
const MANY = 1024;
const WINDOW_TICKS = 100;

const NONE: ReadonlySet<number> = new Set();

interface PageStraddles {
  /** By offset of the first access: how often since the window began. */
  readonly counts: Map<number, number>;
  readonly apart: Set<number>;
}

/**
 * Neighbouring accesses that lie in two pages each time, since the stack or an object happens to lie across a page's end there. Checked
 * together they always fail, so where that happens often they are checked apart from now on, each by itself.
 */
export class Straddles {
  private readonly pages = new Map<number, PageStraddles>();
  private ticks = 0;

  /** True: the accesses that begin at this offset of a decoded page are to be translated anew, apart. */
  note(page: number, offset: number): boolean {
    let known = this.pages.get(page);
    if (!known) {
      known = { counts: new Map(), apart: new Set() };
      this.pages.set(page, known);
    }
    const count = (known.counts.get(offset) ?? 0) + 1;
    known.counts.set(offset, count === MANY ? 0 : count);
    if (count < MANY) return false;
    known.apart.add(offset);
    return true;
  }

  /** Offsets in a page whose accesses are not to be checked together with their neighbours. */
  apart(page: number): ReadonlySet<number> {
    return this.pages.get(page)?.apart ?? NONE;
  }

  /** The page's content changes. */
  forget(page: number): void {
    this.pages.delete(page);
  }

  /** Time goes by: what is rare does not add up. */
  tick(): void {
    if (++this.ticks < WINDOW_TICKS) return;
    this.ticks = 0;
    for (const [page, { counts, apart }] of this.pages) {
      if (apart.size === 0) this.pages.delete(page);
      else counts.clear();
    }
  }
}
