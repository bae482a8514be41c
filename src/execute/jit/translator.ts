import { present } from '../../common/invariant.ts';
import {
  OP_UNDECODED,
  SLOT_BYTES,
  SLOT_OP,
  SLOTS_FRAME,
  SLOTS_HEAT,
  SLOTS_TARGET,
  TARGET_IN_PAGE,
} from '../../hart/decoded-slots.ts';
import { decode } from '../../isa/decode.ts';
import type { Arena } from '../../memory/arena.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';
import { emptySlots } from '../interpreter/decoded-pages.ts';
import { writeSlot } from '../interpreter/slot-writer.ts';
import { type Block, findBlocks, type PageCode, pageDistance, pageOffset } from './blocks.ts';
import { type CachedModule, type CachedRegion, cachedModule, instructionAt, type TranslationCache } from './cache.ts';
import type { CompiledBatch, RegionCompiler } from './compiler.ts';
import { generateRegionCall } from './generate.ts';
import type { CodeOptions } from './options.ts';
import { encodePlan, everyInstruction, otherDistances, packPlans, type RegionPlan } from './plan.ts';
import { DISTANCE_LIMIT } from './region.ts';
import { type OtherPages, type Place, RegionMap } from './region-map.ts';

export interface TranslatorOptions {
  readonly code: CodeOptions;
  readonly compiler: RegionCompiler;
  readonly cache: TranslationCache;
  /** How much may be live at once; then nothing is translated until `evict`. */
  readonly limits: LiveLimits;
}

export interface LiveLimits {
  /** At most 65535. */
  readonly regions: number;
  readonly modules: number;
  /** Of WebAssembly in these modules. */
  readonly bytes: number;
}

/** Counts since the beginning, where not said otherwise. */
export interface TranslatorStatistics {
  /** Live now. */
  readonly regions: number;
  /** Regions put in place, newly compiled or from the cache. */
  readonly translated: number;
  /** Those with code of several pages. */
  readonly acrossPages: number;
  /** Those from the cache. */
  readonly cached: number;
  /** Regions compiled for this machine. */
  readonly compiled: number;
  /** Of those compiled: they came too late, since their page had changed. */
  readonly late: number;
  /** Regions taken away, mostly because their page changed. */
  readonly dropped: number;
  /** Bytes of WebAssembly that were compiled for this machine. */
  readonly bytes: number;
  /** Milliseconds that compiling took. */
  readonly compileMs: number;
  /** WebAssembly modules that are live now. */
  readonly modules: number;
  /** Bytes of WebAssembly in them. */
  readonly liveBytes: number;
  /** How often old regions were given up to make room. */
  readonly evictions: number;
}

/** The table of regions grows by so much. */
const TABLE_STEP = 256;

/** A place with this many visits may be where an indirect jump goes. */
const LIKELY_VISITS = 16;
/** So many batches may be on their way; what becomes hot meanwhile waits. */
const BATCHES_MAXIMUM = 8;

/**
 * A page may change so often; then hot places in it are refused for a while, twice as long each time, up to so many.
 */
const CHANGES_FREE = 8;
const REFUSALS_MAXIMUM = 1024;

/**
 * A guest may run more code than may be live. The more often room had to be made lately, the fewer hot places are
 * translated, one in so many: the hottest come back soonest. Fewer are refused after so many calls of `collect`
 * without.
 */
const REFUSED_MAXIMUM = 16;
const CALM_COLLECTS = 10000;

/**
 * The decoded page that a hart has so many pages from the one that is hot, at the moment; undefined: it has not been
 * there lately.
 */
export type PagesAround = (distance: number) => number | undefined;

/** A place that became hot. */
interface HotPlace extends Place {
  readonly around: PagesAround;
}

/** A place that is being translated. It is abandoned when one of its pages changes. */
interface Awaited extends Place {
  readonly others: OtherPages;
  abandoned: boolean;
}

/**
 * Translates hot places into regions and keeps account of them: which numbers of the table are in use, and by which
 * decoded page. A region belongs to the page's content; when that changes all its regions are dropped.
 *
 * A hot place is looked up in the cache; else it waits for others, is scanned with them, and they go to the compiler in
 * one batch. What comes back is put in place, unless the page has changed meanwhile: every instruction that was scanned
 * stands decoded in its slot, so a store to it is noticed.
 */
export class Translator {
  private readonly arena: Arena;
  /** Regions by number, for the interpreter and for each other. */
  readonly table: WebAssembly.Table;
  private readonly callRegion: WebAssembly.Instance['exports'][string];
  private readonly options: TranslatorOptions;
  private pending: HotPlace[] = [];
  /** By number of the batch. */
  private readonly awaited = new Map<number, readonly Awaited[]>();
  private nextBatch = 1;
  /** Instantiated on this memory and table; those that a region was put in place from last come last. */
  private readonly instances = new Map<CachedModule, Record<string, unknown>>();
  private readonly regions: RegionMap;
  private readonly freeNumbers: number[] = [];
  /** By page: how often translations were lost because it changed, and how many hot places will be refused. */
  private readonly changes = new Map<number, { count: number; refusals: number }>();
  private nextNumber = 1;
  private oneIn = 1;
  private hotPlaces = 0;
  private calmCollects = 0;
  private readonly counts = {
    translated: 0,
    acrossPages: 0,
    cached: 0,
    compiled: 0,
    late: 0,
    dropped: 0,
    evictions: 0,
  };
  private codeBytes = 0;
  private liveBytes = 0;
  private compileMs = 0;

  constructor(arena: Arena, options: TranslatorOptions) {
    this.arena = arena;
    this.options = options;
    this.regions = new RegionMap(arena);
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: options.limits.regions + 1 });
    const env = { memory: arena.memory, table: this.table };
    const call = new WebAssembly.Module(generateRegionCall(options.code.shared));
    const { region } = new WebAssembly.Instance(call, { env }).exports;
    this.callRegion = region!;
  }

  /** A limit is reached. */
  get full(): boolean {
    const { modules, regions, bytes } = this.options.limits;
    return this.instances.size >= modules || this.liveRegions >= regions || this.liveBytes >= bytes;
  }

  /** Some of `stats`, which are asked for between any two runs. */
  get liveModules(): number {
    return this.instances.size;
  }

  get compiledBytes(): number {
    return this.codeBytes;
  }

  private get liveRegions(): number {
    return this.nextNumber - 1 - this.freeNumbers.length;
  }

  get stats(): TranslatorStatistics {
    const { counts, codeBytes, compileMs, instances, liveRegions, liveBytes } = this;
    return { ...counts, regions: liveRegions, bytes: codeBytes, compileMs, modules: instances.size, liveBytes };
  }

  /** Control came to this slot often. */
  hot(page: number, slot: number, around: PagesAround): void {
    const place = { page, offset: (slot - page) >>> 2, around };
    // Counts of visits wrap around, so a place may be reported again before it is translated.
    if (this.isKnown(place) || this.takeFromCache(place)) return;
    if (this.isRefused(page) || this.hotPlaces++ % this.oneIn !== 0) this.cool(place);
    else this.pending.push(place);
  }

  /** What keeps changing costs more to translate than to interpret. */
  private isRefused(page: number): boolean {
    const changes = this.changes.get(page);
    if (!changes || changes.refusals === 0) return false;
    changes.refusals--;
    return true;
  }

  private noteChange(page: number): void {
    const count = (this.changes.get(page)?.count ?? 0) + 1;
    const refusals = count <= CHANGES_FREE ? 0 : Math.min(2 ** (count - CHANGES_FREE), REFUSALS_MAXIMUM);
    this.changes.set(page, { count, refusals });
  }

  private isKnown({ page, offset }: Place): boolean {
    const same = (place: Place) => place.page === page && place.offset === offset;
    if (this.regions.startsAt({ page, offset }) || this.pending.some(same)) return true;
    return [...this.awaited.values()].some((places) => places.some((place) => same(place) && !place.abandoned));
  }

  get pendingCount(): number {
    return this.pending.length;
  }

  private takeFromCache(place: HotPlace): boolean {
    const { cache, code } = this.options;
    if (!code.optimizations.cache || this.full) return false;
    const pages = this.linkable(place);
    const frames = (distance: number) => {
      const page = pages(distance);
      return page === undefined ? undefined : this.frameOf(page);
    };
    const found = cache.find(this.arena.view, frames, place.offset, code);
    if (!found) return false;
    this.install({ ...place, others: othersOf(found.plan, pages) }, found);
    this.counts.cached++;
    return true;
  }

  /** The place's own page, and those around it that its regions can have code of. */
  private linkable({ page, around }: HotPlace): PagesAround {
    const found = new Map<number, number | undefined>([[0, page]]);
    return (distance) => {
      if (!found.has(distance)) {
        const target = around(distance);
        found.set(distance, target !== undefined && this.isLinkable(page, distance, target) ? target : undefined);
      }
      return found.get(distance);
    };
  }

  /** Has what became hot translated, in one module, and puts in place what is finished. */
  translatePending(): void {
    this.collect();
    if (this.awaited.size < BATCHES_MAXIMUM) this.submit();
    this.collect();
  }

  private submit(): void {
    const { compiler, code, limits } = this.options;
    const room = this.full ? 0 : limits.regions - this.liveRegions;
    const rest = this.pending.splice(room);
    for (const place of rest) this.cool(place);
    const places: Awaited[] = [];
    const plans: RegionPlan[] = [];
    for (const place of this.pending) {
      const pages = this.linkable(place);
      const plan = this.scan(place, pages);
      if (!plan) continue;
      const { page, offset } = place;
      places.push({ page, offset, others: othersOf(plan, pages), abandoned: false });
      plans.push(plan);
    }
    this.pending = [];
    if (plans.length === 0) return;
    const id = this.nextBatch++;
    this.awaited.set(id, places);
    compiler.submit({ id, plans: packPlans(plans), options: code });
  }

  private isLinkable(page: number, distance: number, target: number): boolean {
    // With a page that keeps changing its regions would, too.
    const isCalm = (this.changes.get(target)?.count ?? 0) <= CHANGES_FREE;
    return target !== page && isCalm && this.regions.canLink(page, distance, target);
  }

  /** Undefined: the instruction there is not for translation. */
  private scan({ offset }: Place, pages: PagesAround): RegionPlan | undefined {
    const blocks = findBlocks(this.pageCode(pages), offset, this.options.code.optimizations);
    if (!hasInstructions(blocks.find(({ start }) => start === offset))) return undefined;
    const plan = encodePlan(blocks, offset, (at) => this.bitsAt(pages(pageDistance(at))!, at)!);
    this.decodeAll(plan, pages);
    return plan;
  }

  /** The instruction at an offset from the start of some page, which lies in this one. */
  private bitsAt(page: number, offset: number): number | undefined {
    return instructionAt(this.arena.view, this.frameOf(page), pageOffset(offset));
  }

  private frameOf(page: number): number {
    return this.arena.view.getUint32(page + SLOTS_FRAME, true);
  }

  private pageCode(pages: PagesAround): PageCode {
    const { view } = this.arena;
    const pageOf = (offset: number): number => pages(pageDistance(offset))!;
    return {
      reaches: (offset) => Math.abs(pageDistance(offset)) < DISTANCE_LIMIT && pages(pageDistance(offset)) !== undefined,
      read: (offset) => {
        const bits = this.bitsAt(pageOf(offset), offset);
        return bits === undefined ? undefined : decode(bits);
      },
      wasExecuted: (offset) => view.getUint16(slotAt(pageOf(offset), offset) + SLOT_OP, true) !== OP_UNDECODED,
      indirectTargets: (offset) => this.indirectTargets(pageOf(0), offset),
    };
  }

  /** Where the jump went last; then all places of the page that were visited, if it went to one of them. */
  private indirectTargets(page: number, offset: number): number[] {
    const last = this.arena.view.getUint16(page + SLOTS_TARGET + offset, true);
    if ((last & TARGET_IN_PAGE) === 0) return [];
    return [...new Set([last & ~TARGET_IN_PAGE, ...this.visitedOffsets(page)])];
  }

  /** Where transfers came to in a page, most often first. */
  private visitedOffsets(page: number): number[] {
    const { view } = this.arena;
    const visits = (offset: number) => view.getUint16(page + SLOTS_HEAT + offset, true);
    const offsets: number[] = [];
    for (let offset = 0; offset < FRAME_BYTES; offset += 2) if (visits(offset) >= LIKELY_VISITS) offsets.push(offset);
    return offsets.sort((a, b) => visits(b) - visits(a));
  }

  /** Puts in place what the compiler has finished. */
  collect(): void {
    if (this.oneIn > 1 && ++this.calmCollects >= CALM_COLLECTS) {
      this.calmCollects = 0;
      this.oneIn /= 2;
    }
    for (const batch of this.options.compiler.take()) this.receive(batch);
  }

  private receive(batch: CompiledBatch): void {
    const { cache, code } = this.options;
    const owner: CachedModule = code.optimizations.cache ? cache.add(batch) : cachedModule(batch);
    const places = batch.id === undefined ? undefined : this.awaited.get(batch.id);
    if (batch.id === undefined || !places) return;
    this.awaited.delete(batch.id);
    this.counts.compiled += places.length;
    this.codeBytes += batch.bytes;
    this.compileMs += batch.milliseconds;
    places.forEach((place, i) => {
      if (place.abandoned) this.counts.late++;
      else if ((this.full && !this.instances.has(owner)) || !this.canLink(place)) this.cool(place);
      else this.install(place, present(owner.regions[i], 'a batch has a region for each place that waits for it'));
    });
  }

  /** It becomes hot again when control comes to it as often as before. */
  private cool({ page, offset }: Place): void {
    this.arena.view.setUint16(page + SLOTS_HEAT + offset, 0, true);
  }

  /** Others that were put in place meanwhile may need the same links for other pages. */
  private canLink({ page, others }: Awaited): boolean {
    return [...others].every(([distance, target]) => this.regions.canLink(page, distance, target));
  }

  private install(place: Place & { readonly others: OtherPages }, { owner, name, plan }: CachedRegion): void {
    const { page, offset, others } = place;
    this.decodeAll(plan, (distance) => (distance === 0 ? page : others.get(distance)));
    const number = this.takeNumber();
    this.table.set(number, this.instanceOf(owner)[name]);
    this.regions.add({ page, offset, others, number, owner });
    this.counts.translated++;
    if (others.size > 0) this.counts.acrossPages++;
  }

  private instanceOf(owner: CachedModule): Record<string, unknown> {
    let exports = this.instances.get(owner);
    if (exports) this.instances.delete(owner);
    else {
      const env = { memory: this.arena.memory, region: this.callRegion };
      exports = new WebAssembly.Instance(owner.module, { env }).exports;
      this.liveBytes += owner.bytes;
    }
    this.instances.set(owner, exports);
    return exports;
  }

  /** Every instruction of a region stands decoded in its slot, which is how a store to its bytes is noticed. */
  private decodeAll(plan: RegionPlan, pages: PagesAround): void {
    const { view } = this.arena;
    everyInstruction(plan, (offset, bits) => {
      const slot = slotAt(pages(pageDistance(offset))!, offset);
      if (view.getUint16(slot + SLOT_OP, true) === OP_UNDECODED) writeSlot(view, slot, bits, false);
      return true;
    });
  }

  private takeNumber(): number {
    const free = this.freeNumbers.pop();
    if (free !== undefined) return free;
    // A batch that is on its way is put in place whole.
    if (this.nextNumber >= this.table.length) this.table.grow(TABLE_STEP);
    return this.nextNumber++;
  }

  private giveBack(number: number): void {
    this.table.set(number, null);
    this.freeNumbers.push(number);
    this.counts.dropped++;
  }

  /** Whether regions have code of a page. */
  has(page: number): boolean {
    return this.regions.has(page);
  }

  /** The page's content changes: its regions are dropped and its slots emptied. */
  drop(page: number): void {
    const lost = this.abandon(page);
    if (this.remove(page)) emptySlots(this.arena.bytes, page);
    else if (!lost) return;
    this.noteChange(page);
  }

  /** The page will serve another frame: nothing that is known of it counts any more. Its slots are emptied before. */
  forget(page: number): void {
    this.abandon(page);
    this.remove(page);
    this.changes.delete(page);
  }

  /** Nothing of the page is translated any more. True: something was going to be. */
  private abandon(page: number): boolean {
    for (const place of this.pending) if (place.page === page) this.cool(place);
    this.pending = this.pending.filter((place) => place.page !== page);
    const isOf = (place: Awaited) => place.page === page || [...place.others.values()].includes(page);
    const abandoned = [...this.awaited.values()].flat().filter((place) => isOf(place) && !place.abandoned);
    for (const place of abandoned) {
      place.abandoned = true;
      this.cool(place);
    }
    return abandoned.length > 0;
  }

  /** Takes all regions with code of the page out of the table. False: there are none. */
  private remove(page: number): boolean {
    const removed = this.regions.removeAll(page);
    for (const { number } of removed) this.giveBack(number);
    return removed.length > 0;
  }

  /**
   * Makes room: drops the regions of the modules that were used longest ago, until at most half as much is live as may
   * be. Not while a region runs.
   */
  evict(): void {
    const kept = this.youngModules();
    for (const region of [...this.regions]) {
      if (kept.has(region.owner)) continue;
      this.regions.remove(region);
      this.giveBack(region.number);
    }
    for (const owner of [...this.instances.keys()]) {
      if (kept.has(owner)) continue;
      this.instances.delete(owner);
      this.liveBytes -= owner.bytes;
    }
    this.counts.evictions++;
    this.calmCollects = 0;
    this.oneIn = Math.min(REFUSED_MAXIMUM, this.oneIn * 2);
  }

  /** Those with live regions that fit half of the limits, the youngest first. */
  private youngModules(): Set<CachedModule> {
    const live = new Map<CachedModule, number>();
    for (const { owner } of this.regions) live.set(owner, (live.get(owner) ?? 0) + 1);
    const kept = new Set<CachedModule>();
    const { limits } = this.options;
    let [regions, bytes] = [limits.regions / 2, limits.bytes / 2];
    for (const owner of [...this.instances.keys()].reverse()) {
      const count = live.get(owner);
      if (count === undefined) continue;
      regions -= count;
      bytes -= owner.bytes;
      if (regions < 0 || bytes < 0 || kept.size + 1 > limits.modules / 2) break;
      kept.add(owner);
    }
    return kept;
  }
}

/** Slot of an offset in the decoded page that it lies in. */
function slotAt(page: number, offset: number): number {
  return page + (pageOffset(offset) / 2) * SLOT_BYTES;
}

/** The pages that a region has code of beside its own. */
function othersOf(plan: RegionPlan, pages: PagesAround): OtherPages {
  return new Map(otherDistances(plan).map((distance) => [distance, pages(distance)!]));
}

function hasInstructions(block: Block | undefined): boolean {
  return block !== undefined && block.instructions.length > 0;
}
