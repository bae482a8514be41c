import type { Arena } from '../memory/arena.ts';
import { MAP_ENTRIES, RAM_BASE } from '../memory/layout.ts';
import type { FrameSnapshot } from '../memory/snapshot.ts';
import type { PlainData } from '../state/plain-data.ts';
import { translatedPages } from './hart-state.ts';

const PAGE_BYTES = 4096;

/**
 * Pages of RAM (numbers) that a machine had in use lately: what it will need first when it goes on. Those that its TLBs
 * tell of come first, then those that hold code which it has run. Both in rising order, since neighbours are stored
 * together.
 */
export function recentPages(arena: Arena, harts: readonly PlainData[], memory: FrameSnapshot): number[] {
  const first = RAM_BASE / PAGE_BYTES;
  const translated = harts
    .flatMap(translatedPages)
    .map((page) => page - first)
    .filter((page) => page >= 0 && page < memory.pageCount)
    .sort((a, b) => a - b);
  return [...new Set([...translated, ...codePages(arena, memory)])];
}

/** Pages whose frames have a decoded page. */
function codePages({ words, frameTable }: Arena, { map, pageCount }: FrameSnapshot): number[] {
  const decoded = frameTable >>> 2;
  const pages: number[] = [];
  for (const { page, address } of map.leaves()) {
    const leaf = address >>> 2;
    const count = Math.min(MAP_ENTRIES, pageCount - page);
    // One plain loop: a large machine has half a million pages, and its guest waits.
    for (let i = 0; i < count; i++) if (words[decoded + (words[leaf + i]! >>> 12)] !== 0) pages.push(page + i);
  }
  return pages;
}
