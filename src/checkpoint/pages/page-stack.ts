import { invariant } from '../../common/invariant.ts';
import type { Codec } from '../../platform/codec.ts';
import { type Chunk, packChunk } from './encoder.ts';
import { ALL_PAGES, CHUNK_BYTES, CHUNK_PAGES, chunkMask, METHOD_NONE, PAGE_BYTES, presentOffset } from './layout.ts';
import type { StoredPages } from './stored-pages.ts';

/** Unpacked chunks that are kept. Few, since a machine takes all pages of a chunk at once. */
const CACHED_CHUNKS = 16;

/** Who has what of a chunk: pages by the level that holds them, and those that not even the lowest level has. */
interface Resolved {
  readonly present: number;
  readonly inherited: number;
  readonly shares: readonly { readonly level: number; readonly entry: number; readonly pages: number }[];
}

/**
 * Pages of a file, of the file that it inherits from, and so on: the first of `levels` counts most. Where the lowest
 * has a base that is not among the levels, so have they together.
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
    const top = levels[0];
    const bottom = levels.at(-1);
    invariant(top && bottom, 'a stack has a level');
    this.pageCount = top.index.pageCount;
    this.hasBase = bottom.index.hasBase;
  }

  /**
   * Puts a page into the 4096 bytes of `into`; false, with nothing written: it is all zeros. For stacks without a base.
   */
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

  /**
   * Pages that `read` finds in the same chunk of the same level as this one, itself included; none: it is all zeros.
   */
  companions(page: number): readonly number[] {
    const chunk = Math.floor(page / CHUNK_PAGES);
    const bit = 1 << (page % CHUNK_PAGES);
    let wanted = ALL_PAGES;
    for (const { index } of this.levels) {
      const at = index.find(chunk);
      if (at < 0) continue;
      const { present, inherited } = index.entry(at);
      if (present & bit) return pagesOf(chunk, present & wanted);
      wanted &= inherited;
      if (!(wanted & bit)) break;
    }
    return [];
  }

  /** Pages that `read` finds, rising. Looks only into the indexes. */
  *storedPages(): Generator<number> {
    const chunkCount = Math.ceil(this.pageCount / CHUNK_PAGES);
    for (let chunk = this.nextChunk(0); chunk < chunkCount; chunk = this.nextChunk(chunk + 1)) {
      yield* pagesOf(chunk, this.presentIn(chunk));
    }
  }

  private presentIn(chunk: number): number {
    let wanted = chunkMask(chunk, this.pageCount);
    let present = 0;
    for (const { index } of this.levels) {
      const at = index.find(chunk);
      if (at < 0) continue;
      const found = index.entry(at);
      present |= found.present & wanted;
      wanted &= found.inherited;
      if (wanted === 0) break;
    }
    return present;
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
    const found = this.cache.get(key) ?? pages.unpackInto(entry, this.makeRoom());
    this.cache.delete(key);
    this.cache.set(key, found);
    return found;
  }

  /**
   * Room for a chunk: that of the one that was used longest ago, since hundreds are unpacked while somebody waits for
   * the guest.
   */
  private makeRoom(): Uint8Array {
    if (this.cache.size < CACHED_CHUNKS) return new Uint8Array(CHUNK_BYTES);
    const least = this.cache.entries().next().value;
    invariant(least, 'a full cache has an entry');
    const [oldest, { buffer }] = least;
    this.cache.delete(oldest);
    return buffer.byteLength === CHUNK_BYTES ? new Uint8Array(buffer) : new Uint8Array(CHUNK_BYTES);
  }
}

function pagesOf(chunk: number, mask: number): number[] {
  const pages = [];
  for (let bit = 0; bit < CHUNK_PAGES; bit++) if (mask & (1 << bit)) pages.push(chunk * CHUNK_PAGES + bit);
  return pages;
}
