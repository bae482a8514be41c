import type { MemorySnapshot } from '../../../src/memory/snapshot.ts';
import type { Random } from '../../disk/support/random.ts';

export const PAGE = 4096;

/** A guest's memory as a test knows it: what is in each page, and which pages changed since it was last asked. */
export class ModelMemory {
  readonly pageCount: number;
  readonly pages = new Map<number, Uint8Array>();
  private changed = new Set<number>();

  constructor(pageCount: number) {
    this.pageCount = pageCount;
  }

  write(page: number, content: Uint8Array): void {
    this.pages.set(page, content);
    this.changed.add(page);
  }

  /** Zeros, compressible text, or noise, in pages near each other and far apart. */
  scribble(random: Random, writes: number): void {
    for (let i = 0; i < writes; i++) {
      const first = random.below(this.pageCount);
      const count = Math.min(1 + random.below(12), this.pageCount - first);
      for (let page = first; page < first + count; page++) this.write(page, randomPage(random));
    }
  }

  /** `incremental`: it knows what changed since the last call. */
  snapshot(incremental: boolean, shared = false): MemorySnapshot {
    const touched = [...this.pages.keys()].sort((a, b) => a - b);
    const changed = [...this.changed].sort((a, b) => a - b);
    this.changed = new Set();
    const length = (touched.length + 1) * PAGE;
    const bytes = new Uint8Array(shared ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
    const frames = new Map<number, number>();
    for (const [index, page] of touched.entries()) {
      frames.set(page, (index + 1) * PAGE);
      bytes.set(this.pages.get(page)!, (index + 1) * PAGE);
    }
    return {
      pageCount: this.pageCount,
      bytes,
      frameOf: (page) => frames.get(page) ?? 0,
      readPage: (page, into) => {
        const content = this.pages.get(page);
        into.fill(0);
        if (content) into.set(content);
        return content !== undefined;
      },
      touchedPages: () => touched,
      changedPages: () => (incremental ? changed : undefined),
      release: () => {},
    };
  }

  copy(): ModelMemory {
    const copy = new ModelMemory(this.pageCount);
    for (const [page, content] of this.pages) copy.pages.set(page, content);
    copy.changed = new Set(this.changed);
    return copy;
  }

  /** The first page that `read` gives otherwise, or undefined. */
  firstDifference(read: (page: number, into: Uint8Array) => boolean): number | undefined {
    const zeros = new Uint8Array(PAGE);
    for (let page = 0; page < this.pageCount; page++) {
      const into = new Uint8Array(PAGE);
      const isThere = read(page, into);
      const expected = this.pages.get(page) ?? zeros;
      const isZero = Buffer.compare(expected, zeros) === 0;
      if (isThere === isZero || Buffer.compare(into, expected) !== 0) return page;
    }
    return undefined;
  }
}

function randomPage(random: Random): Uint8Array {
  const kind = random.below(4);
  const page = new Uint8Array(PAGE);
  if (kind === 0) return page;
  if (kind === 1) return page.fill(1 + random.below(255));
  if (kind === 2) {
    page[random.below(PAGE)] = 1;
    return page;
  }
  return random.bytes(PAGE);
}
