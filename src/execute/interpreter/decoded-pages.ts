import type { Arena } from '../../memory/arena.ts';
import {
  DECODED_PAGE_BYTES,
  OP_PAGE_END,
  OP_UNDECODED,
  SLOT_BYTES,
  SLOT_OP,
  SLOTS_BYTES,
  SLOTS_END_GUARD,
  SLOTS_FRAME,
  SLOTS_HEAT,
  SLOTS_IDLE_STORES,
  SLOTS_REPLACED_OP,
} from './slots.ts';

/** Makes every slot of a decoded page undecoded, with no visits and no region. */
export function emptySlots(memory: Uint8Array, page: number): void {
  memory.fill(0, page, page + SLOTS_BYTES);
  memory.fill(0, page + SLOTS_HEAT, page + SLOTS_REPLACED_OP);
}

/** So many more stores pass before it is asked again whether a page is empty. */
const IDLE_STORES_PATIENCE = 4096;

function isEmpty(words: Uint32Array, page: number): boolean {
  const start = (page + SLOT_OP) >>> 2;
  for (let i = 0; i < SLOTS_BYTES >>> 2; i += SLOT_BYTES >>> 2) {
    if ((words[start + i]! & 0xffff) !== OP_UNDECODED) return false;
  }
  return true;
}

/**
 * The decoded pages of an arena's frames. They are shared by all machines in it, since what they hold follows from the frame alone.
 * When all are in use every one is given up at once; what is still running is decoded again.
 */
export class DecodedPages {
  private readonly arena: Arena;
  private readonly limit: number;
  private readonly pages: number[] = [];
  private readonly frames: number[] = [];
  private used = 0;
  private timesCleared = 0;
  private readonly emptied: (page: number) => void;

  /** `limit`: how many pages there are. `emptied` is called before a page's slots are emptied or given to another frame. */
  constructor(arena: Arena, limit: number, emptied: (page: number) => void) {
    this.arena = arena;
    this.limit = limit;
    this.emptied = emptied;
  }

  /** An empty decoded page that belongs to no frame: for instructions across pages. */
  allocateLoose(): number {
    const page = this.arena.allocate(DECODED_PAGE_BYTES, 64);
    this.writeGuard(page);
    return page;
  }

  /** Pages that frames have, and how often all were given up. */
  get stats(): { readonly pages: number; readonly clears: number } {
    return { pages: this.used, clears: this.timesCleared };
  }

  private writeGuard(page: number): void {
    this.arena.view.setUint16(page + SLOTS_END_GUARD, OP_PAGE_END, true);
    this.arena.view.setUint16(page + SLOTS_END_GUARD + SLOT_BYTES, OP_PAGE_END, true);
  }

  private tableIndex(frame: number): number {
    return (this.arena.frameTable >>> 2) + (frame >>> 12);
  }

  /** An empty decoded page for a frame that has none. `undefined`: none is free; call `clear` first. */
  take(frame: number): number | undefined {
    if (this.used === this.limit) return undefined;
    let page = this.pages[this.used];
    if (page === undefined) {
      page = this.allocateLoose();
      this.pages.push(page);
    } else {
      this.empty(page);
    }
    this.frames[this.used++] = frame;
    this.arena.view.setUint32(page + SLOTS_FRAME, frame, true);
    this.arena.view.setInt32(page + SLOTS_IDLE_STORES, 0, true);
    this.arena.words[this.tableIndex(frame)] = page;
    return page;
  }

  /** The frame's content changes: what was decoded from it is decoded again. */
  forget(frame: number): void {
    const page = this.arena.words[this.tableIndex(frame)]!;
    if (page !== 0) this.empty(page);
  }

  /**
   * Takes the page from a frame that holds data now, if nothing is decoded there, so that stores go to the frame directly again. True: the
   * page must go out of every hart's fetch TLB. It cannot be the page that runs: the instruction that stores is decoded where it lies, and
   * what the last IDLE_STORES_LIMIT stores hit was not decoded.
   */
  release(page: number): boolean {
    const { words, view } = this.arena;
    if (!isEmpty(words, page)) {
      view.setInt32(page + SLOTS_IDLE_STORES, -IDLE_STORES_PATIENCE, true);
      return false;
    }
    const last = --this.used;
    const index = this.pages.indexOf(page);
    words[this.tableIndex(this.frames[index]!)] = 0;
    this.pages[index] = this.pages[last]!;
    this.frames[index] = this.frames[last]!;
    this.pages[last] = page;
    return true;
  }

  /** What was decoded from one frame now belongs to another with the same content. False when nothing was. */
  move(from: number, to: number): boolean {
    const { words, view } = this.arena;
    const page = words[this.tableIndex(from)]!;
    if (page === 0) return false;
    // A frame that was given back keeps its page, emptied; the two change places.
    const other = words[this.tableIndex(to)]!;
    const index = this.frames.indexOf(from);
    const otherIndex = other === 0 ? -1 : this.frames.indexOf(to);
    this.frames[index] = to;
    view.setUint32(page + SLOTS_FRAME, to, true);
    words[this.tableIndex(to)] = page;
    words[this.tableIndex(from)] = other;
    if (otherIndex >= 0) {
      this.frames[otherIndex] = from;
      view.setUint32(other + SLOTS_FRAME, from, true);
    }
    return true;
  }

  private empty(page: number): void {
    this.emptied(page);
    emptySlots(this.arena.bytes, page);
  }

  /** Gives all pages up. Every hart's fetch TLB must be emptied of host addresses then. */
  clear(): void {
    for (let i = 0; i < this.used; i++) this.arena.words[this.tableIndex(this.frames[i]!)] = 0;
    this.used = 0;
    this.timesCleared++;
  }
}
