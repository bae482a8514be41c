import { violation } from '../../common/invariant.ts';
import type { Codec } from '../../platform/codec.ts';
import {
  ALL_PAGES,
  CHUNK_BYTES,
  CHUNK_PAGES,
  chunkMask,
  INDEX_ENTRY,
  INDEX_ENTRY_BYTES,
  INDEX_HAS_BASE,
  INDEX_HEADER,
  INDEX_HEADER_BYTES,
  METHOD_DEFLATED,
  METHOD_NONE,
  METHOD_PLAIN,
  PAGE_BYTES,
} from './layout.ts';
import type { ChunkEntry } from './page-index.ts';

const WORDS_PER_PAGE = PAGE_BYTES / 4;
const LEAST_SAVING = 1 / 16;

/** What is stored of a chunk, and what its entry says of it. */
export interface Chunk extends ChunkEntry {
  readonly stored: Uint8Array;
}

/**
 * Puts pages into chunks, one after the other. `add` and `addChunk` take them in rising order; pages that are left out
 * are inherited, or zeros where there is no base. They and `end` give the bytes to append to the data section, if any;
 * `index` is the index section, after `end`.
 */
export class PageEncoder {
  private readonly codec: Codec;
  private readonly pageCount: number;
  private readonly hasBase: boolean;
  private readonly urgent: ReadonlySet<number>;
  private readonly pages = new Uint8Array(CHUNK_BYTES);
  private readonly words = new Uint32Array(this.pages.buffer);
  private readonly entries: ChunkEntry[] = [];
  /** The chunk being filled; -1: none. */
  private chunk = -1;
  private present = 0;
  private named = 0;
  private filledBytes = 0;
  private lastPage = -1;

  /** `urgent`: chunks that are stored as they are, since inflating takes longer than reading. */
  constructor(codec: Codec, pageCount: number, hasBase: boolean, urgent: ReadonlySet<number> = new Set()) {
    this.codec = codec;
    this.pageCount = pageCount;
    this.hasBase = hasBase;
    this.urgent = urgent;
  }

  /** `content` is a page of 4096 bytes; undefined: zeros. */
  add(page: number, content: Uint8Array | undefined): Uint8Array | undefined {
    // It would otherwise be noticed when the file is needed.
    const isInOrder = page > this.lastPage && page < this.pageCount;
    if (!isInOrder) throw violation(`page ${page} comes after ${this.lastPage} and is one of ${this.pageCount}`);
    this.lastPage = page;
    const chunk = Math.floor(page / CHUNK_PAGES);
    const finished = chunk === this.chunk ? undefined : this.end();
    this.chunk = chunk;
    const bit = 1 << (page % CHUNK_PAGES);
    this.named |= bit;
    if (content === undefined) return finished;
    this.pages.set(content, this.filledBytes);
    if (this.isLastZero()) return finished;
    this.present |= bit;
    this.filledBytes += PAGE_BYTES;
    return finished;
  }

  private isLastZero(): boolean {
    const { words } = this;
    const first = this.filledBytes >>> 2;
    for (let i = first; i < first + WORDS_PER_PAGE; i++) if (words[i] !== 0) return false;
    return true;
  }

  /** A chunk that is encoded already. Not between `add`s to the same chunk. */
  addChunk(chunk: Chunk): Uint8Array | undefined {
    if (!this.isWorthAnEntry(chunk)) return undefined;
    const { stored, ...entry } = chunk;
    this.entries.push(entry);
    return stored;
  }

  /** Finishes the chunk that is being filled. */
  end(): Uint8Array | undefined {
    if (this.chunk < 0) return undefined;
    const { chunk, present, named } = this;
    const inherited = this.hasBase ? chunkMask(chunk, this.pageCount) & ~named : 0;
    const plain = this.pages.subarray(0, this.filledBytes);
    this.chunk = -1;
    this.present = 0;
    this.named = 0;
    this.filledBytes = 0;
    const pack = this.urgent.has(chunk) ? plainChunk : packChunk;
    return this.addChunk(pack(this.codec, chunk, present, inherited, plain));
  }

  private isWorthAnEntry({ chunk, present, inherited }: ChunkEntry): boolean {
    if (present !== 0) return true;
    return this.hasBase && inherited !== chunkMask(chunk, this.pageCount);
  }

  index(): Uint8Array {
    const bytes = new Uint8Array(INDEX_HEADER_BYTES + this.entries.length * INDEX_ENTRY_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(INDEX_HEADER.pages, this.pageCount, true);
    view.setUint32(INDEX_HEADER.chunkPages, CHUNK_PAGES, true);
    view.setUint32(INDEX_HEADER.flags, this.hasBase ? INDEX_HAS_BASE : 0, true);
    view.setUint32(INDEX_HEADER.entries, this.entries.length, true);
    let at = INDEX_HEADER_BYTES;
    for (const { chunk, present, inherited, method, storedBytes, checksum } of this.entries) {
      view.setUint32(at + INDEX_ENTRY.chunk, chunk, true);
      view.setUint32(at + INDEX_ENTRY.stored, storedBytes, true);
      view.setUint32(at + INDEX_ENTRY.checksum, checksum, true);
      view.setUint8(at + INDEX_ENTRY.present, present);
      view.setUint8(at + INDEX_ENTRY.inherited, inherited);
      view.setUint8(at + INDEX_ENTRY.method, method);
      at += INDEX_ENTRY_BYTES;
    }
    return bytes;
  }
}

/**
 * Compresses the present pages of a chunk where that saves anything. What is given back does not share memory with
 * `plain`.
 */
export function packChunk(codec: Codec, chunk: number, present: number, inherited: number, plain: Uint8Array): Chunk {
  if ((present & ALL_PAGES) === 0) return plainChunk(codec, chunk, present, inherited, plain);
  const deflated = codec.deflate(plain);
  // What saves less is not worth inflating.
  if (deflated.length > plain.length * (1 - LEAST_SAVING)) return plainChunk(codec, chunk, present, inherited, plain);
  return storedChunk(codec, { chunk, present, inherited, method: METHOD_DEFLATED }, deflated);
}

function plainChunk(codec: Codec, chunk: number, present: number, inherited: number, plain: Uint8Array): Chunk {
  const method = (present & ALL_PAGES) === 0 ? METHOD_NONE : METHOD_PLAIN;
  return storedChunk(codec, { chunk, present, inherited, method }, plain.slice());
}

function storedChunk(
  codec: Codec,
  entry: Pick<Chunk, 'chunk' | 'present' | 'inherited' | 'method'>,
  stored: Uint8Array,
): Chunk {
  const isNothing = entry.method === METHOD_NONE;
  return { ...entry, storedBytes: stored.length, checksum: isNothing ? 0 : codec.crc32(stored), stored };
}
