import { GodwitError } from '../../common/errors.ts';
import type { Codec } from '../../platform/codec.ts';
import { type Container, damaged, type Section } from '../container/reader.ts';
import type { Chunk } from './encoder.ts';
import { METHOD_DEFLATED, PAGE_BYTES, pagesIn } from './layout.ts';
import { PageIndex } from './page-index.ts';

/** Where a file has pages: the types of the two sections, and which of several. */
export interface PageSections {
  readonly index: string;
  readonly data: string;
  readonly instance?: number;
}

/** The pages that one file has. Opening reads the index, pages are read and checked chunk by chunk. */
export class StoredPages {
  readonly index: PageIndex;
  private readonly container: Container;
  private readonly codec: Codec;
  private readonly data: Section;

  /** Throws GodwitError('damaged'). */
  constructor(container: Container, codec: Codec, { index, data, instance = 0 }: PageSections) {
    this.container = container;
    this.codec = codec;
    this.data = container.get(data, instance);
    const bytes = container.read(container.get(index, instance));
    try {
      this.index = new PageIndex(bytes);
    } catch (error) {
      if (error instanceof RangeError) throw damaged(container.source, error.message);
      throw error;
    }
    if (this.index.dataBytes !== this.data.lengthBytes) {
      throw damaged(container.source, `its section ${data} has another length than its page index says`);
    }
  }

  /** A chunk as it is stored, its checksum checked. `at` is the index of its entry. */
  chunk(at: number): Chunk {
    return this.chunkInto(at, new Uint8Array(this.index.entry(at).storedBytes));
  }

  private chunkInto(at: number, room: Uint8Array): Chunk {
    const entry = this.index.entry(at);
    const stored = room.subarray(0, entry.storedBytes);
    this.container.source.read(this.data.offset + this.index.offsetOf(at), stored);
    if (this.codec.crc32(stored) !== entry.checksum) throw this.damagedAt(entry.chunk);
    return { ...entry, stored };
  }

  /** The present pages of a chunk, one after the other. */
  unpack({ chunk, present, method, stored }: Chunk): Uint8Array {
    if (method !== METHOD_DEFLATED) return stored;
    try {
      return this.codec.inflate(stored, pagesIn(present) * PAGE_BYTES);
    } catch (error) {
      if (error instanceof GodwitError && error.code === 'damaged') throw this.damagedAt(chunk, error);
      throw error;
    }
  }

  /**
   * The present pages of the chunk of an entry, one after the other. `room`, which has place for any chunk, may become
   * part of the result.
   */
  unpackInto(at: number, room: Uint8Array): Uint8Array {
    return this.unpack(this.chunkInto(at, room));
  }

  /** Reads and checks everything. Gives control back after each chunk. */
  *verify(): Generator<void> {
    for (let at = 0; at < this.index.entryCount; at++) {
      this.unpack(this.chunk(at));
      yield;
    }
  }

  private damagedAt(chunk: number, cause?: unknown): GodwitError {
    return damaged(this.container.source, `chunk ${chunk} of its section ${this.data.type} is wrong`, cause);
  }
}
