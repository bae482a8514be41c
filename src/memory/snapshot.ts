import type { Arena } from './arena.ts';
import { PageMap } from './page-map.ts';
import type { PageSource } from './page-source.ts';
import type { WrittenPages } from './written-pages.ts';

/**
 * Guest RAM as it was at one execution point. It shares frames with the machine, which copies what it writes from then
 * on.
 */
export interface MemorySnapshot {
  /** Guest RAM in pages of 4 KiB. */
  readonly pageCount: number;
  /** The arena's memory: index it with what `frameOf` gives. */
  readonly bytes: Uint8Array;
  /**
   * Host offset of a page's frame; 0 when it is all zeros. What is only in the source of a restored machine is fetched
   * for it.
   */
  frameOf(page: number): number;
  /**
   * Copies a page into the 4096 bytes of `into`; false when it is all zeros by its nature. Where `frameOf` would fetch
   * a page for the machine to keep, this leaves the machine's memory as it is.
   */
  readPage(page: number, into: Uint8Array): boolean;
  /** Pages that may be other than zero, rising. Reads none of them. */
  touchedPages(): Iterable<number>;
  /**
   * Pages that may differ from what the snapshot was taken against, rising; undefined: it was not taken against
   * another.
   */
  changedPages(): Iterable<number> | undefined;
  /** Gives back the frames that only the snapshot has. Once is enough; more does nothing. */
  release(): void;
}

export interface SnapshotParts {
  readonly map: PageMap;
  readonly bytes: Uint8Array;
  readonly zeroFrame: number;
  readonly source: PageSource | undefined;
  readonly changed: WrittenPages | undefined;
  readonly freed: (frame: number) => void;
}

/** A snapshot on its way between threads. */
export interface HandedSnapshot {
  /** Address of its map in their memory. */
  readonly root: number;
  readonly pageCount: number;
}

export class FrameSnapshot implements MemorySnapshot {
  readonly pageCount: number;
  readonly bytes: Uint8Array;
  private readonly parts: SnapshotParts;
  private released = false;

  constructor(parts: SnapshotParts) {
    this.parts = parts;
    this.pageCount = parts.map.pageCount;
    this.bytes = parts.bytes;
  }

  /** One that another thread took of a machine in the same memory, by what its `handOver` gave. */
  static of(arena: Arena, handed: HandedSnapshot, source: PageSource | undefined): FrameSnapshot {
    return new FrameSnapshot({
      map: new PageMap(arena, handed.pageCount, handed.root),
      bytes: arena.bytes,
      zeroFrame: arena.zeroFrame,
      source,
      changed: undefined,
      // What is decoded from them goes by their versions.
      freed: () => {},
    });
  }

  /** Gives the snapshot away, to another thread. It is not to be used here any more, and is released there. */
  handOver(): HandedSnapshot {
    this.released = true;
    const { root, pageCount } = this.parts.map;
    return { root, pageCount };
  }

  /** What a machine that starts from this snapshot begins with. */
  get map(): PageMap {
    return this.parts.map;
  }

  get source(): PageSource | undefined {
    return this.parts.source;
  }

  frameOf(page: number): number {
    const { map, source, zeroFrame } = this.parts;
    // A page that the machine has not fetched from its own checkpoint yet is fetched now.
    const frame = source === undefined ? map.frameOf(page) : map.readableEntry(page, source) & ~0xfff;
    return frame >>> 0 === zeroFrame ? 0 : frame >>> 0;
  }

  readPage(page: number, into: Uint8Array): boolean {
    return this.parts.map.readPage(page, this.parts.source, into);
  }

  touchedPages(): Iterable<number> {
    return this.parts.map.touchedPages(this.parts.source);
  }

  /** Of these, pages that are here: not those that are only in the source. Rising. */
  presentPages(): Iterable<number> {
    return this.parts.map.presentPages();
  }

  changedPages(): Iterable<number> | undefined {
    return this.parts.changed?.pages();
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.parts.map.release(this.parts.freed);
  }
}
