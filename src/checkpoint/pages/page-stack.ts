import type { Codec } from '../codec.ts';
import { type Chunk, packChunk } from './encoder.ts';
import { CHUNK_PAGES, chunkMask, METHOD_NONE, PAGE_BYTES, presentOffset } from './layout.ts';
import type { StoredPages } from './stored-pages.ts';

/**
 * Decoded chunks that are kept: 8 MiB. A guest that goes on wants pages here and there: until a shell had answered, 331 chunks were
 * decoded with room for 32, of which 228 were different ones.
 */
const CACHED_CHUNKS = 256;

/** Who has what of a chunk: pages by the level that holds them, and those that not even the lowest level has. */
interface Resolved {
  readonly present: number;
  readonly inherited: number;
  readonly shares: readonly { readonly level: number; readonly entry: number; readonly pages: number }[];
}

/**
 * Pages of a file, of the file that it inherits from, and so on: the first of `levels` counts most. Where the lowest has a base
 * that is not among the levels, so have they together.
 */
export class PageStack {
  readonly pageCount: number;
  readonly hasBase: boolean;
  private readonly levels: readonly StoredPages[];
  private readonly codec: Codec;
  /** By level and entry, in the order of use. */
  private readonly cache = new Map<number, Uint8Array>();

  constructor(levels: readonly StoredPages[], codec: Codec) {
    this.levels = levels;
    this.codec = codec;
    this.pageCount = levels[0]!.index.pageCount;
    this.hasBase = levels.at(-1)!.index.hasBase;
  }

  /** Puts a page into the 4096 bytes of `into`; false, with nothing written: it is all zeros. For stacks without a base. */
  read(page: number, into: Uint8Array): boolean {
    const chunk = Math.floor(page / CHUNK_PAGES);
    const bit = page % CHUNK_PAGES;
    for (const [level, { index }] of this.levels.entries()) {
      const at = index.find(chunk);
      if (at < 0) continue;
      const { present, inherited } = index.entry(at);
      if (present & (1 << bit)) {
        const start = presentOffset(present, bit);
        into.set(this.unpacked(level, at).subarray(start, start + PAGE_BYTES));
        return true;
      }
      if (!(inherited & (1 << bit))) return false;
    }
    return false;
  }

  /** The levels as one: every chunk that is not wholly inherited, or wholly zeros without a base; in rising order. */
  *chunks(): Generator<Chunk> {
    const chunkCount = Math.ceil(this.pageCount / CHUNK_PAGES);
    for (let chunk = this.nextChunk(0); chunk < chunkCount; chunk = this.nextChunk(chunk + 1)) {
      yield this.merged(chunk);
    }
  }

  /** The first chunk, from `from` on, that any level has an entry for. */
  private nextChunk(from: number): number {
    return Math.min(...this.levels.map(({ index }) => index.chunkFrom(from)));
  }

  private merged(chunk: number): Chunk {
    const { present, inherited, shares } = this.resolve(chunk);
    const [first] = shares;
    if (first === undefined) {
      const nothing = { storedBytes: 0, checksum: 0, stored: new Uint8Array(0) };
      return { chunk, present, inherited, method: METHOD_NONE, ...nothing };
    }
    const whole = this.levels[first.level]!.chunk(first.entry);
    // Nothing is compressed anew that can be copied.
    if (shares.length === 1 && whole.present === present) return { ...whole, inherited };
    return packChunk(this.codec, chunk, present, inherited, this.gather(present, shares));
  }

  private resolve(chunk: number): Resolved {
    let wanted = chunkMask(chunk, this.pageCount);
    let present = 0;
    const shares = [];
    for (const [level, { index }] of this.levels.entries()) {
      const entry = index.find(chunk);
      // Without an entry, and without a base, what is still wanted is zeros: as if nothing were inherited.
      const found = entry < 0 ? { present: 0, inherited: index.hasBase ? wanted : 0 } : index.entry(entry);
      const pages = found.present & wanted;
      if (pages !== 0) shares.push({ level, entry, pages });
      present |= pages;
      wanted &= found.inherited;
    }
    return { present, inherited: wanted, shares };
  }

  private gather(present: number, shares: Resolved['shares']): Uint8Array {
    const plain = new Uint8Array(presentOffset(present, CHUNK_PAGES));
    for (const { level, entry, pages } of shares) {
      const from = this.unpacked(level, entry);
      const has = this.levels[level]!.index.entry(entry).present;
      for (let bit = 0; bit < CHUNK_PAGES; bit++) {
        if (!(pages & (1 << bit))) continue;
        const start = presentOffset(has, bit);
        plain.set(from.subarray(start, start + PAGE_BYTES), presentOffset(present, bit));
      }
    }
    return plain;
  }

  private unpacked(level: number, entry: number): Uint8Array {
    const key = entry * this.levels.length + level;
    const pages = this.levels[level]!;
    const found = this.cache.get(key) ?? pages.unpack(pages.chunk(entry));
    this.cache.delete(key);
    this.cache.set(key, found);
    if (this.cache.size > CACHED_CHUNKS) {
      const [oldest] = this.cache.keys();
      this.cache.delete(oldest!);
    }
    return found;
  }
}
