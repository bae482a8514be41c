import { violation } from '../common/invariant.ts';
import type { Arena } from './arena.ts';
import { FRAME_BYTES, FRAME_PRESENT, FRAME_WRITABLE, LEAF_SHARED, MAP_ENTRIES } from './layout.ts';
import { numbersBelow, unionOf } from './page-lists.ts';
import type { PageSource } from './page-source.ts';

const FRAME_MASK = ~(FRAME_BYTES - 1);
const ENTRY_FLAGS = FRAME_PRESENT | FRAME_WRITABLE;

/** Who must hear of changes to the frames behind pages. */
export interface MapListener {
  /** Another frame stands behind the page; host addresses of the one before are stale for this machine. */
  replaced(page: number, before: number, now: number): void;
  /**
   * What other threads have decoded from the frame is revoked, though its content is what it was: it is about to be
   * written.
   */
  revoked(frame: number): void;
  /** The last reference to a frame is gone. */
  freed(frame: number): void;
  /** The page is about to be written for the first time since all pages were shared. */
  written(page: number): void;
  /**
   * Nothing stands behind the page any more, or the frame of zeros; host addresses of what stood there are stale for
   * this machine.
   */
  dropped(page: number): void;
}

/** A frame that is lent. */
export interface LentFrame {
  readonly frame: number;
  /** The machine could write the page as it was: what its TLBs say of that is stale. */
  readonly wasWritable: boolean;
}

/**
 * One guest-physical map (layout.ts), copy-on-write in both levels. `share` gives a second root over the same leaves;
 * who writes first, to either, gets a leaf and a frame of its own. Every first write to a page after `share` comes
 * through `writableEntry`, which is how dirty pages are known. Maps over the same leaves may be used by several
 * threads, each map by one.
 */
export class PageMap {
  readonly root: number;
  readonly pageCount: number;
  private readonly arena: Arena;

  constructor(arena: Arena, pageCount: number, root: number = arena.allocateFrame()) {
    this.arena = arena;
    this.pageCount = pageCount;
    this.root = root;
  }

  private rootIndex(page: number): number {
    return (this.root >>> 2) + (page >>> 10);
  }

  /** A mistake of ours, which would otherwise change what lies behind the map. */
  private checkPage(page: number): void {
    const { pageCount } = this;
    if (!(page >= 0 && page < pageCount)) throw violation(`a page lies in RAM: page ${page} of ${pageCount}`);
  }

  /** The leaf that covers a page, without its flag; 0: none. */
  private leafOf(page: number): number {
    return (this.arena.words[this.rootIndex(page)]! & FRAME_MASK) >>> 0;
  }

  /** Flags as they hold: in a shared leaf nothing is writable. 0: no frame. */
  private entry(page: number): number {
    const { words } = this.arena;
    const leaf = words[this.rootIndex(page)]!;
    if (leaf === 0) return 0;
    const entry = words[((leaf & FRAME_MASK) >>> 2) + (page & (MAP_ENTRIES - 1))]!;
    return (leaf & LEAF_SHARED ? entry & ~FRAME_WRITABLE : entry) >>> 0;
  }

  /** The frame of a page: 0 when it was never touched, or not since the machine was restored. */
  frameOf(page: number): number {
    return (this.entry(page) & FRAME_MASK) >>> 0;
  }

  /** The entry of a page with a frame behind it. What is put there is what every other root over the leaf sees too. */
  readableEntry(page: number, source: PageSource | undefined): number {
    const entry = this.entry(page);
    if (entry & FRAME_PRESENT) return entry;
    // Before the lock is taken: a file may be read.
    const loaded = this.load(page, source);
    const { arena } = this;
    arena.enter();
    try {
      return this.putIfAbsent(page, loaded);
    } finally {
      arena.exit();
    }
  }

  /**
   * Puts what the source would give behind an absent page, without asking it. `content`: undefined for zeros. False: it
   * is not absent.
   */
  place(page: number, content: Uint8Array | undefined): boolean {
    this.checkPage(page);
    if (this.entry(page) & FRAME_PRESENT) return false;
    const { arena } = this;
    const frame = content && arena.allocateFrame();
    if (frame !== undefined) arena.bytes.set(content!, frame);
    arena.enter();
    try {
      return (this.putIfAbsent(page, frame) & FRAME_MASK) >>> 0 === (frame ?? arena.zeroFrame);
    } finally {
      arena.exit();
    }
  }

  private putIfAbsent(page: number, loaded: number | undefined): number {
    const entry = this.entry(page);
    if (!(entry & FRAME_PRESENT)) return this.put(page, (loaded ?? this.arena.zeroFrame) | FRAME_PRESENT);
    // Another thread was faster.
    if (loaded !== undefined) this.arena.dropReference(loaded);
    return entry;
  }

  /** The entry of a page with a frame behind it that only this map names. */
  writableEntry(page: number, source: PageSource | undefined, listener: MapListener): number {
    const entry = this.entry(page);
    if (entry & FRAME_WRITABLE) return entry;
    if (source && !(entry & FRAME_PRESENT)) this.readableEntry(page, source);
    const { arena } = this;
    arena.enter();
    try {
      return this.makeWritable(page, listener);
    } finally {
      arena.exit();
    }
  }

  private makeWritable(page: number, listener: MapListener): number {
    const { arena } = this;
    this.ownLeaf(page);
    listener.written(page);
    const entry = this.entry(page);
    const frame = (entry & FRAME_MASK) >>> 0;
    if (!(entry & FRAME_PRESENT)) return this.put(page, arena.allocateFrame() | ENTRY_FLAGS);
    if (frame !== arena.zeroFrame && arena.referencesTo(frame) === 1) {
      arena.revoke(frame);
      listener.revoked(frame);
      return this.put(page, frame | ENTRY_FLAGS);
    }
    const own = frame === arena.zeroFrame ? arena.allocateFrame() : arena.copyFrame(frame);
    const result = this.put(page, own | ENTRY_FLAGS);
    listener.replaced(page, frame, own);
    if (arena.dropReference(frame)) listener.freed(frame);
    return result;
  }

  /**
   * Copies a page into the 4096 bytes of `into`, and fetches nothing into this memory. False when it is all zeros by
   * its nature.
   */
  readPage(page: number, source: PageSource | undefined, into: Uint8Array): boolean {
    const { bytes, zeroFrame } = this.arena;
    const frame = this.frameOf(page);
    if (frame !== 0 && frame !== zeroFrame) {
      into.set(bytes.subarray(frame, frame + FRAME_BYTES));
      return true;
    }
    into.fill(0);
    return frame === 0 && source !== undefined && source.read(page, into);
  }

  /**
   * Takes away what stands behind pages, in this map only, and gives back what nothing else names. `asZeros`: they read
   * as zeros from now on; else they are absent, as if never touched, and come from their source again. Throws
   * GodwitError('limit') when there is no room for a leaf of their own; the pages before are dropped then.
   */
  drop(pages: Iterable<number>, asZeros: boolean, listener: MapListener): void {
    const leaves = new Set<number>();
    for (const page of pages) if (this.dropPage(page, asZeros, listener)) leaves.add(page >>> 10);
    if (!asZeros) for (const leaf of leaves) this.releaseIfEmpty(leaf * MAP_ENTRIES);
  }

  /** False when it is so already. */
  private dropPage(page: number, asZeros: boolean, listener: MapListener): boolean {
    this.checkPage(page);
    const { arena } = this;
    const now = asZeros ? (arena.zeroFrame | FRAME_PRESENT) >>> 0 : 0;
    arena.enter();
    try {
      const before = this.entry(page);
      if (before === now) return false;
      this.ownLeaf(page);
      listener.written(page);
      this.put(page, now);
      listener.dropped(page);
      const frame = (before & FRAME_MASK) >>> 0;
      if (before & FRAME_PRESENT && arena.dropReference(frame)) listener.freed(frame);
      return true;
    } finally {
      arena.exit();
    }
  }

  /** Gives back the leaf that covers the page, if it is this map's alone and nothing is in it. */
  private releaseIfEmpty(page: number): void {
    const { arena } = this;
    const { words } = arena;
    const leaf = words[this.rootIndex(page)]!;
    if (leaf === 0 || leaf & LEAF_SHARED) return;
    const first = leaf >>> 2;
    for (let i = first; i < first + MAP_ENTRIES; i++) if (words[i] !== 0) return;
    words[this.rootIndex(page)] = 0;
    this.giveBack(leaf);
  }

  /**
   * References the page's frame, and write-protects it in this map: whoever writes the page next gets a frame of its
   * own.
   */
  lend(page: number, source: PageSource | undefined): LentFrame {
    this.readableEntry(page, source);
    const { arena } = this;
    arena.enter();
    try {
      const entry = this.entry(page);
      const frame = (entry & FRAME_MASK) >>> 0;
      const wasWritable = (entry & FRAME_WRITABLE) !== 0;
      if (wasWritable) this.put(page, entry & ~FRAME_WRITABLE);
      arena.addReference(frame);
      return { frame, wasWritable };
    } finally {
      arena.exit();
    }
  }

  private load(page: number, source: PageSource | undefined): number | undefined {
    if (!source) return undefined;
    const { arena } = this;
    const frame = arena.allocateFrame();
    let found = false;
    try {
      found = source.read(page, arena.bytes.subarray(frame, frame + FRAME_BYTES));
      return found ? frame : undefined;
    } finally {
      if (!found) this.giveBack(frame);
    }
  }

  /** Gives back one reference to a frame. True when it was the last one. */
  giveBack(frame: number): boolean {
    this.arena.enter();
    try {
      return this.arena.dropReference(frame);
    } finally {
      this.arena.exit();
    }
  }

  private put(page: number, entry: number): number {
    const { words } = this.arena;
    if (words[this.rootIndex(page)] === 0) words[this.rootIndex(page)] = this.arena.allocateFrame();
    const value = entry >>> 0;
    words[(this.leafOf(page) >>> 2) + (page & (MAP_ENTRIES - 1))] = value;
    return value;
  }

  /** Gives this map a leaf of its own for the page, in which nothing is writable yet. */
  private ownLeaf(page: number): void {
    const { arena } = this;
    const { words } = arena;
    const index = this.rootIndex(page);
    const shared = words[index]!;
    if (!(shared & LEAF_SHARED)) return;
    const leaf = (shared & FRAME_MASK) >>> 0;
    const last = arena.referencesTo(leaf) === 1;
    const own = last ? leaf : arena.copyFrame(leaf);
    const first = own >>> 2;
    for (let i = first; i < first + MAP_ENTRIES; i++) {
      const entry = words[i]!;
      if (entry === 0) continue;
      words[i] = entry & ~FRAME_WRITABLE;
      if (!last) arena.addReference((entry & FRAME_MASK) >>> 0);
    }
    if (!last) arena.dropReference(leaf);
    words[index] = own;
  }

  /** The root of a second map with the same content. Costs the copy of a root, whatever the size of memory. */
  share(): number {
    this.arena.enter();
    try {
      return this.shareLeaves();
    } finally {
      this.arena.exit();
    }
  }

  private shareLeaves(): number {
    const { arena } = this;
    const { words } = arena;
    const copy = arena.allocateFrame();
    const used = Math.ceil(this.pageCount / MAP_ENTRIES);
    for (let i = 0; i < used; i++) {
      const leaf = words[(this.root >>> 2) + i]!;
      if (leaf === 0) continue;
      words[(this.root >>> 2) + i] = leaf | LEAF_SHARED;
      words[(copy >>> 2) + i] = leaf | LEAF_SHARED;
      arena.addReference((leaf & FRAME_MASK) >>> 0);
    }
    return copy;
  }

  /** From here on the first write to each page comes through `writableEntry` again. Copies nothing. */
  writeProtect(): void {
    const { words } = this.arena;
    const first = this.root >>> 2;
    const used = Math.ceil(this.pageCount / MAP_ENTRIES);
    for (let index = first; index < first + used; index++) if (words[index] !== 0) words[index]! |= LEAF_SHARED;
  }

  /**
   * Pages that may be other than zero, rising: those with a frame of their own, and those that are absent and that the
   * source has. Reads nothing. Pages that come in meanwhile do no harm.
   */
  *touchedPages(source: PageSource | undefined): Generator<number> {
    if (source === undefined) {
      yield* this.presentPages();
      return;
    }
    const { zeroFrame } = this.arena;
    const stored = source.storedPages?.() ?? numbersBelow(this.pageCount);
    for (const page of unionOf(this.presentPages(), stored)) if (this.frameOf(page) !== zeroFrame) yield page;
  }

  /**
   * Pages with a frame of their own, rising: neither those that are absent nor those that were only read and are zeros.
   */
  *presentPages(): Generator<number> {
    const { zeroFrame } = this.arena;
    for (let page = 0; page < this.pageCount; page++) {
      if ((page & (MAP_ENTRIES - 1)) === 0 && this.leafOf(page) === 0) {
        page += MAP_ENTRIES - 1;
        continue;
      }
      const frame = this.frameOf(page);
      if (frame !== 0 && frame !== zeroFrame) yield page;
    }
  }

  /** Leaves that exist: first page and address. */
  *leaves(): Generator<{ readonly page: number; readonly address: number }> {
    for (let page = 0; page < this.pageCount; page += MAP_ENTRIES) {
      const address = this.leafOf(page);
      if (address !== 0) yield { page, address };
    }
  }

  /** Gives back the root, and of leaves and frames what nothing else names. */
  release(freed: (frame: number) => void): void {
    const { arena } = this;
    arena.enter();
    try {
      for (let page = 0; page < this.pageCount; page += MAP_ENTRIES) this.releaseLeaf(this.leafOf(page), freed);
      arena.dropReference(this.root);
    } finally {
      arena.exit();
    }
  }

  private releaseLeaf(leaf: number, freed: (frame: number) => void): void {
    if (leaf === 0) return;
    const { arena } = this;
    if (arena.referencesTo(leaf) === 1) {
      for (let i = leaf >>> 2; i < (leaf >>> 2) + MAP_ENTRIES; i++) {
        const frame = (arena.words[i]! & FRAME_MASK) >>> 0;
        if (frame !== 0 && arena.dropReference(frame)) freed(frame);
      }
    }
    arena.dropReference(leaf);
  }
}
