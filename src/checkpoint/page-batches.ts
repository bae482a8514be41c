import { present } from '../common/invariant.ts';
import type { MemorySnapshot } from '../memory/snapshot.ts';
import type { Codec } from '../platform/codec.ts';
import { addBatch, type CheckpointHead, CheckpointWriter, type PageBatch } from './write.ts';

/** How many pages are looked up between two looks at the clock. */
const PAGES_PER_LOOK = 64;

/** A whole file at once, in the calling thread. */
export function* checkpointBlocks(head: CheckpointHead, memory: MemorySnapshot, codec: Codec): Generator<Uint8Array> {
  const hasBase = head.meta.base !== null;
  const writer = new CheckpointWriter(codec);
  yield* writer.head(head);
  const pages = writer.pages(memory.pageCount, hasBase);
  for (const batch of pageBatches(memory, hasBase, 4096, () => false)) yield* addBatch(pages, memory.bytes, batch);
  yield* pages.end();
  yield writer.finish();
}

/**
 * Where a snapshot's pages are, as numbers that another thread can use. `isTimeUp` ends a batch early: looking up the
 * frames of a large memory takes longer than a guest should wait. `incremental`: only what may differ from the
 * checkpoint it builds on.
 */
export function* pageBatches(
  memory: MemorySnapshot,
  incremental: boolean,
  batchPages: number,
  isTimeUp: () => boolean,
): Generator<PageBatch> {
  let pages: number[] = [];
  let frames: number[] = [];
  for (const page of pagesOf(memory, incremental)) {
    pages.push(page);
    frames.push(memory.frameOf(page));
    if (pages.length === batchPages || (pages.length % PAGES_PER_LOOK === 0 && isTimeUp())) {
      yield { pages: Uint32Array.from(pages), frames: Uint32Array.from(frames) };
      pages = [];
      frames = [];
    }
  }
  if (pages.length > 0) yield { pages: Uint32Array.from(pages), frames: Uint32Array.from(frames) };
}

function pagesOf(memory: MemorySnapshot, incremental: boolean): Iterable<number> {
  if (!incremental) return memory.touchedPages();
  return present(memory.changedPages(), 'an incremental checkpoint is made of a memory that knows what changed');
}
