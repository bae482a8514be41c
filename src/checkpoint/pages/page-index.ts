import {
  ALL_PAGES,
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
  pagesIn,
} from './layout.ts';

/** One entry of a page index (layout.ts). */
export interface ChunkEntry {
  readonly chunk: number;
  readonly present: number;
  readonly inherited: number;
  readonly method: number;
  readonly storedBytes: number;
  readonly checksum: number;
}

const HEADER_WORDS = INDEX_HEADER_BYTES / 4;
const ENTRY_WORDS = INDEX_ENTRY_BYTES / 4;
/** The last four bytes of an entry in one word: present, inherited, method, zero. */
const MASKS = INDEX_ENTRY.present;
/** An offset is kept for every so many entries; the others are sums from there. */
const OFFSET_STRIDE = 16;
const PAGE_COUNTS = Uint8Array.from({ length: ALL_PAGES + 1 }, (_, mask) => pagesIn(mask));
const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** A page index as it was read, every relation in it checked. */
export class PageIndex {
  readonly pageCount: number;
  readonly hasBase: boolean;
  readonly entryCount: number;
  /** The sum of what all chunks have stored. */
  readonly dataBytes: number;
  private readonly words: Uint32Array;
  private readonly offsets: Float64Array;

  /** Throws a RangeError that says what is wrong. */
  constructor(bytes: Uint8Array) {
    if (bytes.length < INDEX_HEADER_BYTES || bytes.length % 4 !== 0)
      throw new RangeError('its page index is cut short');
    const words = wordsOf(bytes);
    const flags = words[INDEX_HEADER.flags / 4]!;
    this.words = words;
    this.pageCount = words[INDEX_HEADER.pages / 4]!;
    this.hasBase = (flags & INDEX_HAS_BASE) !== 0;
    this.entryCount = words[INDEX_HEADER.entries / 4]!;
    if (words.length !== HEADER_WORDS + this.entryCount * ENTRY_WORDS) {
      throw new RangeError('its page index has another length than it says');
    }
    if (words[INDEX_HEADER.chunkPages / 4] !== CHUNK_PAGES || flags & ~INDEX_HAS_BASE) {
      throw new RangeError('its page index is of an unknown kind');
    }
    this.offsets = new Float64Array(Math.ceil(this.entryCount / OFFSET_STRIDE));
    this.dataBytes = this.readEntries();
  }

  /** One plain loop: the index of a large memory is read while somebody waits for the machine to start. */
  private readEntries(): number {
    const { words, offsets, pageCount, hasBase } = this;
    const lastChunk = Math.ceil(pageCount / CHUNK_PAGES) - 1;
    const lastMask = lastChunk < 0 ? 0 : chunkMask(lastChunk, pageCount);
    let offset = 0;
    let before = -1;
    let at = HEADER_WORDS;
    for (let index = 0; index < this.entryCount; index++) {
      if (index % OFFSET_STRIDE === 0) offsets[index / OFFSET_STRIDE] = offset;
      const chunk = words[at + INDEX_ENTRY.chunk / 4]!;
      const storedBytes = words[at + INDEX_ENTRY.stored / 4]!;
      if (chunk <= before || chunk > lastChunk) {
        throw new RangeError(`entry ${index} of its page index is out of order`);
      }
      if (!isSound(words[at + MASKS / 4]!, storedBytes, chunk === lastChunk ? lastMask : ALL_PAGES, hasBase)) {
        throw new RangeError(`entry ${index} of its page index makes no sense`);
      }
      before = chunk;
      offset += storedBytes;
      at += ENTRY_WORDS;
    }
    return offset;
  }

  entry(index: number): ChunkEntry {
    const { words } = this;
    const at = HEADER_WORDS + index * ENTRY_WORDS;
    const masks = words[at + MASKS / 4]!;
    return {
      chunk: words[at + INDEX_ENTRY.chunk / 4]!,
      present: masks & 0xff,
      inherited: (masks >>> 8) & 0xff,
      method: masks >>> 16,
      storedBytes: words[at + INDEX_ENTRY.stored / 4]!,
      checksum: words[at + INDEX_ENTRY.checksum / 4]!,
    };
  }

  /** Where an entry's bytes begin in the data section. */
  offsetOf(index: number): number {
    const near = Math.floor(index / OFFSET_STRIDE);
    let offset = this.offsets[near]!;
    for (let i = near * OFFSET_STRIDE; i < index; i++) {
      offset += this.words[HEADER_WORDS + i * ENTRY_WORDS + INDEX_ENTRY.stored / 4]!;
    }
    return offset;
  }

  /** The index of a chunk's entry, or -1. */
  find(chunk: number): number {
    const at = this.firstFrom(chunk);
    return at < this.entryCount && this.chunkAt(at) === chunk ? at : -1;
  }

  /** The first chunk from this one on that has an entry; Infinity: none. */
  chunkFrom(chunk: number): number {
    const at = this.firstFrom(chunk);
    return at < this.entryCount ? this.chunkAt(at) : Number.POSITIVE_INFINITY;
  }

  private chunkAt(index: number): number {
    return this.words[HEADER_WORDS + index * ENTRY_WORDS + INDEX_ENTRY.chunk / 4]!;
  }

  /** The index of the first entry whose chunk is not less. */
  private firstFrom(chunk: number): number {
    let low = 0;
    let high = this.entryCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.chunkAt(middle) < chunk) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `all`: the pages that the chunk has. */
function isSound(masks: number, storedBytes: number, all: number, hasBase: boolean): boolean {
  const present = masks & 0xff;
  const inherited = (masks >>> 8) & 0xff;
  const method = masks >>> 16;
  if (present & inherited || (present | inherited) & ~all || (inherited !== 0 && !hasBase)) return false;
  if (present === 0) return method === METHOD_NONE && storedBytes === 0 && hasBase && inherited !== all;
  const wholeBytes = PAGE_COUNTS[present]! * PAGE_BYTES;
  if (method === METHOD_PLAIN) return storedBytes === wholeBytes;
  return method === METHOD_DEFLATED && storedBytes > 0 && storedBytes < wholeBytes;
}

/** Little-endian words, as they lie in memory where the host has them so too. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, length } = bytes;
  if (IS_LITTLE_ENDIAN && byteOffset % 4 === 0) return new Uint32Array(buffer, byteOffset, length / 4);
  const view = new DataView(buffer, byteOffset, length);
  return Uint32Array.from({ length: length / 4 }, (_, index) => view.getUint32(index * 4, true));
}
