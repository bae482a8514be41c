import type { MemorySnapshot } from '../memory/snapshot.ts';
import { ByteWriter } from './bytes.ts';
import { PAGE_BYTES, PAGES, PAGES_END, RECORD_PAGES } from './layout.ts';
import type { RecordWriter } from './record-writer.ts';

/** Pages on their way to the file. More of them only cost memory. */
const MOST_PENDING_BYTES = 2 * 1024 ** 2;
/** So many pages are looked at between two turns of the machine. */
const PAGES_PER_TURN = 256;

/**
 * Saves the memory that a recording starts with while the machine goes on. `turn` resolves when others have had their turn;
 * `isCancelled` ends it early. Gives whether all is written.
 */
export async function savePages(
  memory: MemorySnapshot,
  writer: RecordWriter,
  turn: () => Promise<void>,
  isCancelled: () => boolean,
): Promise<boolean> {
  let batch: number[] = [];
  let saved = 0;
  let looked = 0;
  const flush = (): void => {
    if (batch.length > 0) writer.append(PAGES, pagesContent(memory, batch));
    saved += batch.length;
    batch = [];
  };
  for (const page of memory.touchedPages()) {
    if (!isZero(memory, page)) batch.push(page);
    if (batch.length === RECORD_PAGES) flush();
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

function isZero(memory: MemorySnapshot, page: number): boolean {
  const frame = memory.frameOf(page);
  if (frame === 0) return true;
  const { buffer, byteOffset } = memory.bytes;
  const words = new Uint32Array(buffer, byteOffset + frame, PAGE_BYTES / 4);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

function pagesContent(memory: MemorySnapshot, pages: readonly number[]): Uint8Array {
  const content = new Uint8Array(4 + pages.length * (4 + PAGE_BYTES));
  const view = new DataView(content.buffer);
  view.setUint32(0, pages.length, true);
  pages.forEach((page, index) => {
    view.setUint32(4 + 4 * index, page, true);
    const frame = memory.frameOf(page);
    content.set(memory.bytes.subarray(frame, frame + PAGE_BYTES), 4 + 4 * pages.length + index * PAGE_BYTES);
  });
  return content;
}
