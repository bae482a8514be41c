import { isForeseen } from '../common/errors.ts';
import { invariant } from '../common/invariant.ts';
import type { FrameSpan, GuestMemory } from '../device/device.ts';
import type { Arena } from './arena.ts';
import { FRAME_BYTES, RAM_BASE } from './layout.ts';
import { LentFrames, type Loan, type LoanStatistics } from './loan.ts';
import { unionOf } from './page-lists.ts';
import { type MapListener, PageMap } from './page-map.ts';
import type { PageSource } from './page-source.ts';
import { FrameSnapshot } from './snapshot.ts';
import { WrittenPages } from './written-pages.ts';

/** What the machine around guest RAM must do when frames change. */
export interface RamEvents {
  /** The host changes a frame that holds decoded code. */
  codeWritten(frame: number): void;
  /** Another frame stands behind the page. */
  frameReplaced(page: number, before: number, now: number): void;
  /** What other threads have decoded from the frame is revoked; its content is what it was. */
  frameRevoked(frame: number): void;
  /** Nothing names the frame any more. */
  frameFreed(frame: number): void;
  /** From now on the first write to each page must be noticed. */
  writesProtected(): void;
  /** The same for these pages only. */
  pagesProtected(pages: readonly number[]): void;
  /** What stood behind these pages does so no more. */
  pagesDropped(pages: readonly number[]): void;
}

/** The guest's RAM: a guest-physical map over frames of an arena, and access to it by address. */
export class GuestRam implements GuestMemory, MapListener {
  readonly sizeBytes: number;
  readonly pageCount: number;
  readonly bytes: Uint8Array;
  private map: PageMap;
  private readonly arena: Arena;
  private readonly events: RamEvents;
  private source: PageSource | undefined;
  private readonly watchers = new Set<WrittenPages>();
  private readonly lent = new LentFrames();
  /** Of the call that is under way. */
  private droppedPages: number[] = [];

  /** `from`: memory as it was at a snapshot, or what a restored machine's pages come from. */
  constructor(arena: Arena, sizeBytes: number, events: RamEvents, from: FrameSnapshot | PageSource | undefined) {
    this.arena = arena;
    this.bytes = arena.bytes;
    this.sizeBytes = sizeBytes;
    this.pageCount = sizeBytes / FRAME_BYTES;
    const snapshot = from instanceof FrameSnapshot ? from : undefined;
    this.map = new PageMap(arena, this.pageCount, snapshot?.map.share());
    this.source = snapshot ? snapshot.source : (from as PageSource | undefined);
    this.events = events;
  }

  get mapRoot(): number {
    return this.map.root;
  }

  /** The map entry of a page that generated code found absent or not writable; gives it a frame that is. */
  frameFault(page: number, write: boolean): number {
    const { map, source } = this;
    const isMissing = source !== undefined && map.frameOf(page) === 0;
    const entry = write ? map.writableEntry(page, source, this) : map.readableEntry(page, source);
    if (isMissing) this.loadCompanions(page, source);
    return entry;
  }

  /** What cannot be read is left: the guest's own access says so, if it comes. */
  private loadCompanions(page: number, source: PageSource): void {
    const companions = source.companions?.(page) ?? [];
    try {
      for (const other of companions) this.map.readableEntry(other, source);
    } catch (error) {
      if (!isForeseen(error)) throw error;
    }
  }

  replaced(page: number, before: number, now: number): void {
    this.lent.noteCopyOf(before);
    this.events.frameReplaced(page, before, now);
  }

  dropped(page: number): void {
    this.droppedPages.push(page);
  }

  revoked(frame: number): void {
    this.events.frameRevoked(frame);
  }

  freed(frame: number): void {
    this.events.frameFreed(frame);
  }

  written(page: number): void {
    for (const watcher of this.watchers) watcher.add(page);
  }

  /**
   * Memory as it is now, in the time that a copy of the map's root takes. `since`: what was written, to be part of the
   * snapshot.
   */
  snapshot(since?: WrittenPages): FrameSnapshot {
    const root = this.map.share();
    this.events.writesProtected();
    if (since) this.watchers.delete(since);
    return new FrameSnapshot({
      map: new PageMap(this.arena, this.pageCount, root),
      bytes: this.bytes,
      zeroFrame: this.arena.zeroFrame,
      source: this.source,
      changed: since,
      freed: (frame) => this.freed(frame),
    });
  }

  /**
   * Notes the pages that are written from now on, until `unwatch`. To be called right after `snapshot`, before the
   * guest runs.
   */
  watchWrites(): WrittenPages {
    const pages = new WrittenPages(this.pageCount);
    this.watchers.add(pages);
    return pages;
  }

  /**
   * Ends one watch and begins another, without a snapshot: the first write to each page is noticed again. `watched`:
   * undefined the first time.
   */
  restartWatch(watched: WrittenPages | undefined): WrittenPages {
    if (watched) this.watchers.delete(watched);
    this.map.writeProtect();
    this.events.writesProtected();
    return this.watchWrites();
  }

  unwatch(pages: WrittenPages): void {
    this.watchers.delete(pages);
  }

  /** The frame of a page; 0: it was never touched, or not since the machine was restored, or is forgotten. */
  frameOf(page: number): number {
    return this.map.frameOf(page);
  }

  /** The frame of a page, which comes in from the source if it is only there. 0: never touched, and zeros. */
  loadedFrameOf(page: number): number {
    const { map, source } = this;
    if (source) map.readableEntry(page, source);
    return map.frameOf(page);
  }

  /** Pages that may be other than zero, rising, those included that are only in the source. Reads none of them. */
  touchedPages(): Iterable<number> {
    return this.map.touchedPages(this.source);
  }

  /** Of these, pages that have a frame, rising: what the machine takes of the host's memory. */
  presentPages(): Iterable<number> {
    return this.map.presentPages();
  }

  /**
   * Copies a page into the 4096 bytes of `into`, from where it is: one that is only in the source stays there. False
   * when it is all zeros by its nature. Throws what the source throws: GodwitError('damaged' | 'io').
   */
  readPage(page: number, into: Uint8Array): boolean {
    return this.map.readPage(page, this.source, into);
  }

  leaves(): Iterable<{ readonly page: number; readonly address: number }> {
    return this.map.leaves();
  }

  /**
   * A page (number) comes in that nobody asked for: `content` is the 4096 bytes that the source would give, undefined
   * for zeros. False, and nothing is done, when it is not absent any more. It is not taken for written.
   */
  place(page: number, content: Uint8Array | undefined): boolean {
    invariant(content === undefined || content.length === FRAME_BYTES, 'what is placed is a whole page');
    return this.map.place(page, content);
  }

  /** From now on absent pages come from there. For a machine that has not begun. */
  beginFrom(source: PageSource): void {
    this.source = source;
  }

  /** Pages that nobody asked for since the machine was restored come in now. */
  loadAll(): void {
    if (this.source) for (const page of this.map.touchedPages(this.source)) this.map.readableEntry(page, this.source);
  }

  /** A page comes in before it is asked for. */
  prefetch(page: number): void {
    if (page < this.pageCount && this.source && this.map.frameOf(page) === 0) this.frameFault(page, false);
  }

  /** All zeros again. */
  clear(): void {
    // Leaves that others share have nothing absent then but what is zeros in the source too.
    this.discard(this.touchedPages());
    this.source = undefined;
  }

  /**
   * Pages (numbers) lose what stands behind them and are as if the machine had never touched them: they come from the
   * source again, if there is one, or are zeros. What a snapshot, a fork or a loan has of them stays. Their frames are
   * reused; the host does not get them back. The guest sees another content, so this is for pages that it has not seen
   * yet, or has given up at an execution point. Not while the hart runs in one of them. Whoever watches writes takes
   * them for written. Throws GodwitError('limit') when memory is used up.
   */
  forget(pages: Iterable<number>): void {
    this.drop(pages, false);
  }

  /** As `forget`, but the pages are zeros from now on, whatever the source has. */
  discard(pages: Iterable<number>): void {
    this.drop(pages, this.source !== undefined);
  }

  private drop(pages: Iterable<number>, asZeros: boolean): void {
    try {
      this.map.drop(pages, asZeros, this);
    } finally {
      const dropped = this.droppedPages;
      this.droppedPages = [];
      if (dropped.length > 0) this.events.pagesDropped(dropped);
    }
  }

  /**
   * Lends a guest-physical range to the host, which may read it until it gives it back while the guest goes on and
   * notices nothing. Costs a reference to each frame; the first write to each page afterwards copies it (`loans`). Lent
   * memory may outlive the machine, and is independent of snapshots. `undefined`: not wholly RAM. Throws what the
   * source throws: GodwitError('damaged' | 'io').
   */
  lend(address: bigint, length: number): Loan | undefined {
    const offset = this.offsetOf(address, length);
    if (offset < 0) return undefined;
    const spans: FrameSpan[] = [];
    const loan = { spans, giveBack: () => this.takeBack(spans) };
    const writable: number[] = [];
    try {
      for (let at = offset; at < offset + length; ) {
        const inFrame = at & (FRAME_BYTES - 1);
        const count = Math.min(FRAME_BYTES - inFrame, offset + length - at);
        const { frame, wasWritable } = this.map.lend(at >>> 12, this.source);
        if (frame !== this.arena.zeroFrame) this.lent.add(frame);
        spans.push({ offset: frame + inFrame, length: count });
        if (wasWritable) writable.push(at >>> 12);
        at += count;
      }
    } catch (error) {
      loan.giveBack();
      throw error;
    } finally {
      if (writable.length > 0) this.events.pagesProtected(writable);
    }
    return loan;
  }

  private takeBack(spans: FrameSpan[]): void {
    for (const { offset } of spans.splice(0)) {
      const frame = (offset & ~(FRAME_BYTES - 1)) >>> 0;
      if (frame === this.arena.zeroFrame) continue;
      this.lent.remove(frame);
      if (this.map.giveBack(frame)) this.freed(frame);
    }
  }

  /** What is lent now, and what that cost. */
  get loans(): LoanStatistics {
    return this.lent.statistics;
  }

  /** Memory as it was at the snapshot. Whoever watches writes takes every page that differs now for written. */
  revert(snapshot: FrameSnapshot): void {
    const { map: before, source } = this;
    this.map = new PageMap(this.arena, this.pageCount, snapshot.map.share());
    this.source = snapshot.source;
    if (this.watchers.size > 0) this.noteDifferences(before, source);
    before.release((frame) => this.freed(frame));
  }

  private noteDifferences(before: PageMap, source: PageSource | undefined): void {
    const { map } = this;
    for (let page = 0; page < this.pageCount; page++)
      if (before.frameOf(page) !== map.frameOf(page)) this.written(page);
    if (source === this.source) return;
    // Across a reset of a restored machine: what is absent in both is not the same.
    for (const page of unionOf(before.touchedPages(source), map.touchedPages(this.source))) {
      if (map.frameOf(page) === 0) this.written(page);
    }
  }

  /** Gives back all frames. The machine does not run again. */
  release(): void {
    this.map.release((frame) => this.freed(frame));
  }

  private codeChanged(frame: number): void {
    if (this.arena.words[(this.arena.frameTable >>> 2) + (frame >>> 12)] !== 0) this.events.codeWritten(frame);
  }

  /** Offset in RAM of a guest-physical range, or -1 when it is not wholly RAM. */
  private offsetOf(address: bigint, length: number): number {
    if (address < BigInt(RAM_BASE) || address >= BigInt(RAM_BASE + this.sizeBytes)) return -1;
    const offset = Number(address) - RAM_BASE;
    return length >= 0 && length <= this.sizeBytes - offset ? offset : -1;
  }

  private hostFrame(page: number, write: boolean): number {
    const frame = (this.frameFault(page, write) & ~(FRAME_BYTES - 1)) >>> 0;
    if (write) this.codeChanged(frame);
    return frame;
  }

  spans(address: bigint, length: number, access: 'read' | 'write'): FrameSpan[] | undefined {
    let offset = this.offsetOf(address, length);
    if (offset < 0) return undefined;
    const spans: FrameSpan[] = [];
    const end = offset + length;
    while (offset < end) {
      const inFrame = offset & (FRAME_BYTES - 1);
      const count = Math.min(FRAME_BYTES - inFrame, end - offset);
      spans.push({ offset: this.hostFrame(offset >>> 12, access === 'write') + inFrame, length: count });
      offset += count;
    }
    return spans;
  }

  /** Host address of a scalar that lies in one frame; 0 when it crosses frames, -1 when it is not RAM. */
  private scalar(address: bigint, width: number, write: boolean): number {
    const offset = this.offsetOf(address, width);
    if (offset < 0) return -1;
    const inFrame = offset & (FRAME_BYTES - 1);
    if (inFrame + width > FRAME_BYTES) return 0;
    return this.hostFrame(offset >>> 12, write) + inFrame;
  }

  private read<T>(address: bigint, width: number, get: (view: DataView, at: number) => T): T | undefined {
    const at = this.scalar(address, width, false);
    if (at < 0) return undefined;
    if (at > 0) return get(this.arena.view, at);
    const copy = this.copyOut(address, width)!;
    return get(new DataView(copy.buffer, copy.byteOffset), 0);
  }

  private write(address: bigint, width: number, set: (view: DataView, at: number) => void): boolean {
    const at = this.scalar(address, width, true);
    if (at < 0) return false;
    if (at > 0) {
      set(this.arena.view, at);
      return true;
    }
    const copy = new Uint8Array(width);
    set(new DataView(copy.buffer), 0);
    return this.copyIn(address, copy);
  }

  readU16(address: bigint): number | undefined {
    return this.read(address, 2, (view, at) => view.getUint16(at, true));
  }
  readU32(address: bigint): number | undefined {
    return this.read(address, 4, (view, at) => view.getUint32(at, true));
  }
  readU64(address: bigint): bigint | undefined {
    return this.read(address, 8, (view, at) => view.getBigUint64(at, true));
  }
  writeU16(address: bigint, value: number): boolean {
    return this.write(address, 2, (view, at) => view.setUint16(at, value, true));
  }
  writeU32(address: bigint, value: number): boolean {
    return this.write(address, 4, (view, at) => view.setUint32(at, value, true));
  }
  writeU64(address: bigint, value: bigint): boolean {
    return this.write(address, 8, (view, at) => view.setBigUint64(at, value, true));
  }

  copyOut(address: bigint, length: number): Uint8Array<ArrayBuffer> | undefined {
    const spans = this.spans(address, length, 'read');
    if (!spans) return undefined;
    const out = new Uint8Array(length);
    let done = 0;
    for (const span of spans) {
      out.set(this.bytes.subarray(span.offset, span.offset + span.length), done);
      done += span.length;
    }
    return out;
  }

  copyIn(address: bigint, data: Uint8Array): boolean {
    const spans = this.spans(address, data.length, 'write');
    if (!spans) return false;
    let done = 0;
    for (const span of spans) {
      this.bytes.set(data.subarray(done, done + span.length), span.offset);
      done += span.length;
    }
    return true;
  }
}
