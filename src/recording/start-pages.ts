import type { MemorySnapshot } from '../memory/snapshot.ts';
import { ByteWriter } from './bytes.ts';
import { PAGE_BYTES, PAGES, PAGES_END, RECORD_PAGES } from './layout.ts';
import type { RecordWriter } from './record-writer.ts';

/** Pages on their way to the file. More of them only cost memory. */
const MOST_PENDING_BYTES = 2 * 1024 ** 2;
/** So many pages are looked at between two turns of the machine. */
const PAGES_PER_TURN = 256;

/**
 * Saves the memory that a recording starts with while the machine goes on. `turn` resolves when others have had their
 * turn; `isCancelled` ends it early. Gives whether all is written.
 */
export async function savePages(
  memory: MemorySnapshot,
  writer: RecordWriter,
  turn: () => Promise<void>,
  isCancelled: () => boolean,
): Promise<boolean> {
  const record = new PagesRecord();
  let saved = 0;
  let looked = 0;
  const flush = (): void => {
    saved += record.pageCount;
    if (record.pageCount > 0) writer.append(PAGES, record.take());
  };
  for (const page of memory.touchedPages()) {
    record.add(memory, page);
    if (record.pageCount === RECORD_PAGES) flush();
    if (++looked % PAGES_PER_TURN === 0) await turn();
    while (writer.pendingBytes > MOST_PENDING_BYTES && !writer.failed) await turn();
    if (isCancelled() || writer.failed) return false;
  }
  flush();
  const end = new ByteWriter();
  end.u32(saved);
  writer.append(PAGES_END, end.take());
  return true;
}

/**
 * Pages for one record. They are copied from where they are: what a restored machine has not touched yet is not brought
 * into its memory.
 */
class PagesRecord {
  private pages: number[] = [];
  private readonly content = new Uint8Array(RECORD_PAGES * PAGE_BYTES);
  private readonly words = new Uint32Array(this.content.buffer);

  get pageCount(): number {
    return this.pages.length;
  }

  /** Leaves out a page that is all zeros. */
  add(memory: MemorySnapshot, page: number): void {
    const start = this.pages.length * PAGE_BYTES;
    if (!memory.readPage(page, this.content.subarray(start, start + PAGE_BYTES))) return;
    const words = this.words.subarray(start / 4, (start + PAGE_BYTES) / 4);
    if (words.some((word) => word !== 0)) this.pages.push(page);
  }

  /** The record's content (docs/FORMATS.md). It is empty then. */
  take(): Uint8Array {
    const { pages } = this;
    const record = new Uint8Array(4 + pages.length * (4 + PAGE_BYTES));
    const view = new DataView(record.buffer);
    view.setUint32(0, pages.length, true);
    pages.forEach((page, index) => {
      view.setUint32(4 + 4 * index, page, true);
    });
    record.set(this.content.subarray(0, pages.length * PAGE_BYTES), 4 + 4 * pages.length);
    this.pages = [];
    return record;
  }
}
