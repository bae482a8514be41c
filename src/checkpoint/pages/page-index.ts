import {
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

/** A page index as it was read, every relation in it checked. */
export class PageIndex {
  readonly pageCount: number;
  readonly hasBase: boolean;
  readonly entryCount: number;
  /** The sum of what all chunks have stored. */
  readonly dataBytes: number;
  private readonly view: DataView;
  private readonly chunks: Uint32Array;
  /** Where an entry's bytes begin in the data section. */
  private readonly offsets: Float64Array;

  /** Throws a RangeError that says what is wrong. */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < INDEX_HEADER_BYTES) throw new RangeError('its page index is too short');
    const flags = view.getUint32(INDEX_HEADER.flags, true);
    this.view = view;
    this.pageCount = view.getUint32(INDEX_HEADER.pages, true);
    this.hasBase = (flags & INDEX_HAS_BASE) !== 0;
    this.entryCount = view.getUint32(INDEX_HEADER.entries, true);
    if (bytes.length !== INDEX_HEADER_BYTES + this.entryCount * INDEX_ENTRY_BYTES) {
      throw new RangeError('its page index has another length than it says');
    }
    if (view.getUint32(INDEX_HEADER.chunkPages, true) !== CHUNK_PAGES || flags & ~INDEX_HAS_BASE) {
      throw new RangeError('its page index is of an unknown kind');
    }
    this.chunks = new Uint32Array(this.entryCount);
    this.offsets = new Float64Array(this.entryCount);
    this.dataBytes = this.readEntries();
  }

  private readEntries(): number {
    let offset = 0;
    let before = -1;
    for (let index = 0; index < this.entryCount; index++) {
      const entry = this.entry(index);
      if (entry.chunk <= before || entry.chunk * CHUNK_PAGES >= this.pageCount) {
        throw new RangeError(`entry ${index} of its page index is out of order`);
      }
      if (!this.isSound(entry)) throw new RangeError(`entry ${index} of its page index makes no sense`);
      before = entry.chunk;
      this.chunks[index] = entry.chunk;
      this.offsets[index] = offset;
      offset += entry.storedBytes;
    }
    return offset;
  }

  private isSound({ chunk, present, inherited, method, storedBytes }: ChunkEntry): boolean {
    const all = chunkMask(chunk, this.pageCount);
    if (present & inherited || (present | inherited) & ~all || (inherited !== 0 && !this.hasBase)) return false;
    if (present === 0) {
      return method === METHOD_NONE && storedBytes === 0 && this.hasBase && inherited !== all;
    }
    const wholeBytes = pagesIn(present) * PAGE_BYTES;
    if (method === METHOD_PLAIN) return storedBytes === wholeBytes;
    return method === METHOD_DEFLATED && storedBytes > 0 && storedBytes < wholeBytes;
  }

  entry(index: number): ChunkEntry {
    const { view } = this;
    const at = INDEX_HEADER_BYTES + index * INDEX_ENTRY_BYTES;
    const method = view.getUint8(at + INDEX_ENTRY.method) | (view.getUint8(at + INDEX_ENTRY.zero) << 8);
    return {
      chunk: view.getUint32(at + INDEX_ENTRY.chunk, true),
      present: view.getUint8(at + INDEX_ENTRY.present),
      inherited: view.getUint8(at + INDEX_ENTRY.inherited),
      method,
      storedBytes: view.getUint32(at + INDEX_ENTRY.stored, true),
      checksum: view.getUint32(at + INDEX_ENTRY.checksum, true),
    };
  }

  offsetOf(index: number): number {
    return this.offsets[index]!;
  }

  /** The index of a chunk's entry, or -1. */
  find(chunk: number): number {
    const at = this.firstFrom(chunk);
    return this.chunks[at] === chunk ? at : -1;
  }

  /** The first chunk from this one on that has an entry; Infinity: none. */
  chunkFrom(chunk: number): number {
    return this.chunks[this.firstFrom(chunk)] ?? Number.POSITIVE_INFINITY;
  }

  /** The index of the first entry whose chunk is not less. */
  private firstFrom(chunk: number): number {
    let low = 0;
    let high = this.entryCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.chunks[middle]! < chunk) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
