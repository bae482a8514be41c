import type { PageSource } from '../memory/page-source.ts';
import type { ByteSource } from '../platform/byte-source.ts';
import type { Codec } from '../platform/codec.ts';
import { PAGE_BYTES, RECORD_PAGES } from './layout.ts';
import { type RecordPlace, readRecord } from './records.ts';

/** Inflated records that are kept: 2 MiB. */
const CACHED_RECORDS = 32;

/** Where the pages of memory are in the file. */
export class PageDirectory {
  private readonly pageCount: number;
  private readonly places: RecordPlace[] = [];
  /** By page: number of its record and place in it, packed; 0: none. */
  private readonly where: Uint32Array;
  private known = 0;

  constructor(pageCount: number) {
    this.pageCount = pageCount;
    this.where = new Uint32Array(pageCount);
  }

  /** How many pages there are. */
  get size(): number {
    return this.known;
  }

  /** `content` is what the record holds. Throws a RangeError when it makes no sense. */
  add(place: RecordPlace, content: Uint8Array): void {
    const view = new DataView(content.buffer, content.byteOffset, content.length);
    const count = content.length < 4 ? 0 : view.getUint32(0, true);
    if (count === 0 || count > RECORD_PAGES || content.length !== 4 + count * (4 + PAGE_BYTES)) {
      throw new RangeError('a record of pages has the wrong length');
    }
    this.places.push(place);
    for (let index = 0; index < count; index++) {
      const page = view.getUint32(4 + 4 * index, true);
      if (page >= this.pageCount || this.where[page] !== 0) throw new RangeError(`there cannot be a page ${page}`);
      this.where[page] = this.places.length * RECORD_PAGES + index;
    }
    this.known += count;
  }

  /** Pages that are there, rising. */
  *pages(): Generator<number> {
    for (let page = 0; page < this.pageCount; page++) if (this.where[page] !== 0) yield page;
  }

  /** Where a page is; undefined: it is all zeros. */
  find(page: number): { readonly place: RecordPlace; readonly record: number; readonly index: number } | undefined {
    const packed = this.where[page] ?? 0;
    if (packed === 0) return undefined;
    const record = Math.floor(packed / RECORD_PAGES) - 1;
    return { place: this.places[record]!, record, index: packed % RECORD_PAGES };
  }
}

/** Memory at the start of a recording, read when it is touched. */
export class RecordedPages implements PageSource {
  readonly hotPages = [];
  private readonly source: ByteSource;
  private readonly codec: Codec;
  private readonly directory: PageDirectory;
  /** By record, in the order of use. */
  private readonly cache = new Map<number, Uint8Array>();

  constructor(source: ByteSource, codec: Codec, directory: PageDirectory) {
    this.source = source;
    this.codec = codec;
    this.directory = directory;
  }

  read(page: number, into: Uint8Array): boolean {
    const found = this.directory.find(page);
    if (!found) return false;
    const content = this.content(found.record, found.place);
    const count = new DataView(content.buffer, content.byteOffset).getUint32(0, true);
    const start = 4 + 4 * count + found.index * PAGE_BYTES;
    into.set(content.subarray(start, start + PAGE_BYTES));
    return true;
  }

  storedPages(): Iterable<number> {
    return this.directory.pages();
  }

  private content(record: number, place: RecordPlace): Uint8Array {
    const content = this.cache.get(record) ?? readRecord(this.source, this.codec, place);
    this.cache.delete(record);
    this.cache.set(record, content);
    if (this.cache.size > CACHED_RECORDS) {
      const [oldest] = this.cache.keys();
      this.cache.delete(oldest!);
    }
    return content;
  }

  /** The file is the recording's to close. */
  close(): void {}
}
