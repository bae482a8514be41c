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
  SLOTS_VERSION,
} from '../../hart/decoded-slots.ts';
import type { Arena } from '../../memory/arena.ts';

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

/** What becomes of a page's slots, for those who know more of it. */
export interface PageEvents {
  /** Its frame's content changes; the slots are emptied next. */
  changed(page: number): void;
  /** It is taken from its frame, to serve another one. */
  givenUp(page: number): void;
}

/** Pages that are given up at once when all are in use. */
const EVICTED_AT_ONCE = 64;

/**
 * The decoded pages of an arena's frames. They are shared by all machines in it, since what they hold follows from the
 * frame alone. When all are in use some old ones are given up; what is still running of those is decoded again.
 */
export class DecodedPages {
  private readonly arena: Arena;
  private readonly limit: number;
  /**
   * Those that frames have, the oldest first. An array: a set in which entries come and go leaves a table behind each
   * time it is full.
   */
  private live: number[] = [];
  private readonly free: number[] = [];
  private made = 0;
  private evictions = 0;
  private readonly events: PageEvents;

  /** `limit`: how many pages there are. */
  constructor(arena: Arena, limit: number, events: PageEvents) {
    this.arena = arena;
    this.limit = limit;
    this.events = events;
  }

  /** An empty decoded page that belongs to no frame: for instructions across pages. */
  allocateLoose(): number {
    const page = this.arena.allocate(DECODED_PAGE_BYTES, 64);
    this.writeGuard(page);
    return page;
  }

  /** Pages that frames have, and how many were given up because there were too many. */
  get stats(): { readonly pages: number; readonly evicted: number } {
    return { pages: this.live.length, evicted: this.evictions };
  }

  private writeGuard(page: number): void {
    this.arena.view.setUint16(page + SLOTS_END_GUARD, OP_PAGE_END, true);
    this.arena.view.setUint16(page + SLOTS_END_GUARD + SLOT_BYTES, OP_PAGE_END, true);
  }

  private tableIndex(frame: number): number {
    return (this.arena.frameTable >>> 2) + (frame >>> 12);
  }

  private frameOf(page: number): number {
    return this.arena.view.getUint32(page + SLOTS_FRAME, true);
  }

  /** An empty decoded page for a frame that has none. `undefined`: none is free; call `evict` first. */
  take(frame: number): number | undefined {
    let page = this.free.pop();
    if (page !== undefined) emptySlots(this.arena.bytes, page);
    else if (this.made === this.limit) return undefined;
    else {
      page = this.allocateLoose();
      this.made++;
    }
    this.live.push(page);
    this.assign(page, frame);
    this.arena.view.setInt32(page + SLOTS_IDLE_STORES, 0, true);
    return page;
  }

  /** The page is of what the frame holds now. */
  private assign(page: number, frame: number): void {
    this.arena.view.setUint32(page + SLOTS_FRAME, frame, true);
    this.arena.view.setUint32(page + SLOTS_VERSION, this.arena.versionOf(frame), true);
    this.arena.words[this.tableIndex(frame)] = page;
  }

  private isCurrent(page: number, frame: number): boolean {
    return this.arena.view.getUint32(page + SLOTS_VERSION, true) === this.arena.versionOf(frame);
  }

  /**
   * The frame's page; emptied, if another thread has written the frame since it was decoded. Undefined: it has none.
   */
  find(frame: number): number | undefined {
    const page = this.arena.words[this.tableIndex(frame)]!;
    if (page === 0) return undefined;
    if (!this.isCurrent(page, frame)) this.forget(frame);
    return page;
  }

  /** What other threads have decoded from the frame is revoked. Its content is what it was, so ours stays. */
  revoked(frame: number): void {
    const page = this.arena.words[this.tableIndex(frame)]!;
    if (page === 0) return;
    const before = this.arena.view.getUint32(page + SLOTS_VERSION, true);
    if ((before + 1) >>> 0 === this.arena.versionOf(frame)) this.assign(page, frame);
  }

  /** The frame's content changes: what was decoded from it is decoded again. */
  forget(frame: number): void {
    const page = this.arena.words[this.tableIndex(frame)]!;
    if (page === 0) return;
    this.events.changed(page);
    emptySlots(this.arena.bytes, page);
    this.assign(page, frame);
  }

  /**
   * Takes the page from a frame that holds data now, if nothing is decoded there, so that stores go to the frame
   * directly again. True: the page must go out of every hart's fetch TLB. It cannot be the page that runs: the
   * instruction that stores is decoded where it lies, and what the last IDLE_STORES_LIMIT stores hit was not decoded.
   */
  release(page: number): boolean {
    const { words, view } = this.arena;
    if (!isEmpty(words, page)) {
      view.setInt32(page + SLOTS_IDLE_STORES, -IDLE_STORES_PATIENCE, true);
      return false;
    }
    this.live.splice(this.live.indexOf(page), 1);
    this.giveUp(page);
    return true;
  }

  /** What was decoded from one frame now belongs to another with the same content. False when nothing was. */
  move(from: number, to: number): boolean {
    const page = this.find(from);
    if (page === undefined) return false;
    // A frame that was given back keeps its page, emptied; the two change places.
    const other = this.find(to);
    this.assign(page, to);
    if (other === undefined) this.arena.words[this.tableIndex(from)] = 0;
    else this.assign(other, from);
    return true;
  }

  /** It is not among the live ones any more. */
  private giveUp(page: number): void {
    this.events.givenUp(page);
    this.arena.words[this.tableIndex(this.frameOf(page))] = 0;
    this.free.push(page);
  }

  /**
   * Gives some of the older half of all pages up, first those that are not `dear`, and none that is in `running`: what
   * fetch TLBs hold counts as new. False: all are running.
   */
  evict(running: ReadonlySet<number>, dear: (page: number) => boolean): boolean {
    const idle = this.live.filter((page) => !running.has(page));
    const older = idle.slice(0, Math.ceil(idle.length / 2));
    const cheap = older.filter((page) => !dear(page));
    const chosen = (cheap.length > 0 ? cheap : older).slice(0, EVICTED_AT_ONCE);
    const gone = new Set(chosen);
    const kept = idle.filter((page) => !gone.has(page));
    this.live = [...kept, ...this.live.filter((page) => running.has(page))];
    for (const page of chosen) this.giveUp(page);
    this.evictions += chosen.length;
    return chosen.length > 0;
  }

  /** Gives all pages up. Every hart's fetch TLB must be emptied of host addresses then. */
  clear(): void {
    this.evictions += this.live.length;
    for (const page of this.live.splice(0)) this.giveUp(page);
  }
}
