import { decode } from '../../isa/decode.ts';
import type { Arena } from '../../memory/arena.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';
import { emptySlots } from '../interpreter/decoded-pages.ts';
import { REGION_PARAMETERS } from '../interpreter/generate.ts';
import { writeSlot } from '../interpreter/slot-writer.ts';
import {
  OP_REGION,
  OP_UNDECODED,
  SLOT_BYTES,
  SLOT_OP,
  SLOTS_FRAME,
  SLOTS_HEAT,
  SLOTS_REGION,
  SLOTS_REPLACED_OP,
} from '../interpreter/slots.ts';
import { ModuleBuilder } from '../wasm/index.ts';
import { type Block, findBlocks, type PageCode } from './blocks.ts';
import { RegionWriter } from './region.ts';

export interface TranslatorOptions {
  readonly shared: boolean;
  /** How many regions and modules may be live at once; then nothing is translated until `evictAll`. At most 65535 regions. */
  readonly regions: number;
  readonly modules: number;
}

export interface TranslatorStatistics {
  readonly regions: number;
  readonly translated: number;
  readonly dropped: number;
  readonly bytes: number;
  readonly modules: number;
  readonly evictions: number;
}

/** A place with this many visits may be where an indirect jump goes. */
const LIKELY_VISITS = 16;

/** A place that became hot: a decoded page and an offset in it. */
interface Place {
  readonly page: number;
  readonly offset: number;
}

/**
 * Translates hot places into regions and keeps account of them: which numbers of the table are in use, and by which decoded page. A
 * region belongs to the page's content; when that changes all its regions are dropped.
 */
export class Translator {
  private readonly arena: Arena;
  private functions = newTable();
  private modules = 0;
  private evictions = 0;
  private readonly options: TranslatorOptions;
  private pending: Place[] = [];
  private readonly byPage = new Map<number, Map<number, number>>();
  private readonly freeNumbers: number[] = [];
  private nextNumber = 1;
  private translated = 0;
  private dropped = 0;
  private codeBytes = 0;

  constructor(arena: Arena, options: TranslatorOptions) {
    this.arena = arena;
    this.options = options;
  }

  /** Regions by number, for the interpreter and for each other. Another one after `evictAll`. */
  get table(): WebAssembly.Table {
    return this.functions;
  }

  /** A limit is reached. */
  get full(): boolean {
    return this.modules >= this.options.modules || this.liveRegions >= this.options.regions;
  }

  private get liveRegions(): number {
    return this.nextNumber - 1 - this.freeNumbers.length;
  }

  get stats(): TranslatorStatistics {
    const { translated, dropped, codeBytes, modules, evictions } = this;
    return { regions: this.liveRegions, translated, dropped, bytes: codeBytes, modules, evictions };
  }

  /** Control came to this slot often. */
  hot(page: number, slot: number): void {
    const offset = (slot - page) >>> 2;
    // Counts of visits wrap around, so a place may be reported again before it is translated.
    if (this.pending.some((place) => place.page === page && place.offset === offset)) return;
    this.pending.push({ page, offset });
  }

  get pendingCount(): number {
    return this.pending.length;
  }

  /** Translates what became hot, in one module. */
  translatePending(): void {
    const room = this.full ? 0 : this.options.regions - this.liveRegions;
    const places = this.pending.slice(0, room);
    this.pending = [];
    const wanted = places
      .filter(({ page, offset }) => !this.byPage.get(page)?.has(offset))
      .map((place) => ({ ...place, blocks: findBlocks(this.pageCode(place.page), place.offset) }))
      .filter(({ blocks }) => blocks.some(({ instructions }) => instructions.length > 0))
      .filter(({ blocks, offset }) => (blocks.find(({ start }) => start === offset)?.instructions.length ?? 0) > 0);
    if (wanted.length === 0) return;
    const functions = this.compile(wanted);
    wanted.forEach((place, i) => {
      this.install(place, place.blocks, functions[`${i}`]);
    });
  }

  private pageCode(page: number): PageCode {
    const { view } = this.arena;
    const frame = view.getUint32(page + SLOTS_FRAME, true);
    return {
      read: (offset) => {
        const low = view.getUint16(frame + offset, true);
        if ((low & 3) !== 3) return decode(low);
        if (offset > FRAME_BYTES - 4) return undefined;
        return decode(view.getInt32(frame + offset, true));
      },
      wasExecuted: (offset) => view.getUint16(page + (offset / 2) * SLOT_BYTES + SLOT_OP, true) !== OP_UNDECODED,
      indirectTargets: () => this.visitedOffsets(page),
    };
  }

  /** Where transfers came to in a page, most often first. */
  private visitedOffsets(page: number): number[] {
    const { view } = this.arena;
    const visits = (offset: number) => view.getUint16(page + SLOTS_HEAT + offset, true);
    const offsets: number[] = [];
    for (let offset = 0; offset < FRAME_BYTES; offset += 2) if (visits(offset) >= LIKELY_VISITS) offsets.push(offset);
    return offsets.sort((a, b) => visits(b) - visits(a));
  }

  private compile(wanted: readonly (Place & { readonly blocks: readonly Block[] })[]): Record<string, unknown> {
    const module = new ModuleBuilder({ initialPages: 1, maximumPages: 65536, shared: this.options.shared });
    module.importTable();
    const type = module.type(REGION_PARAMETERS, 'i32');
    wanted.forEach(({ blocks, offset, page }, i) => {
      const region = module.function(
        `r${page.toString(16)}_${offset.toString(16)}`,
        REGION_PARAMETERS,
        'i32',
        (f, hart, pageAddress) => new RegionWriter(f, { hart, pageAddress }, type, blocks, offset).write(),
      );
      module.export(region, `${i}`);
    });
    const bytes = module.finish();
    this.codeBytes += bytes.length;
    this.modules++;
    const compiled = new WebAssembly.Module(bytes);
    return new WebAssembly.Instance(compiled, { env: { memory: this.arena.memory, table: this.functions } }).exports;
  }

  private install({ page, offset }: Place, blocks: readonly Block[], region: unknown): void {
    this.decodeAll(page, blocks);
    const number = this.takeNumber();
    this.functions.set(number, region);
    const { view } = this.arena;
    const slot = page + offset * 4;
    view.setUint16(page + SLOTS_REPLACED_OP + offset, view.getUint16(slot + SLOT_OP, true), true);
    view.setUint16(page + SLOTS_REGION + offset, number, true);
    view.setUint16(slot + SLOT_OP, OP_REGION, true);
    let regions = this.byPage.get(page);
    if (!regions) {
      regions = new Map();
      this.byPage.set(page, regions);
    }
    regions.set(offset, number);
    this.translated++;
  }

  /** Every instruction of a region stands decoded in its slot, which is how a store to its bytes is noticed. */
  private decodeAll(page: number, blocks: readonly Block[]): void {
    const { view } = this.arena;
    const frame = view.getUint32(page + SLOTS_FRAME, true);
    for (const { instructions } of blocks) {
      for (const { offset, decoded } of instructions) {
        const slot = page + (offset / 2) * SLOT_BYTES;
        if (view.getUint16(slot + SLOT_OP, true) !== OP_UNDECODED) continue;
        const bits = decoded.length === 2 ? view.getUint16(frame + offset, true) : view.getInt32(frame + offset, true);
        writeSlot(view, slot, bits, false);
      }
    }
  }

  private takeNumber(): number {
    const free = this.freeNumbers.pop();
    if (free !== undefined) return free;
    if (this.nextNumber >= this.functions.length) this.functions.grow(Math.max(256, this.functions.length));
    return this.nextNumber++;
  }

  /** The page's content changes, or the page is given up: its regions are dropped and its slots emptied. */
  drop(page: number): void {
    this.pending = this.pending.filter((place) => place.page !== page);
    const regions = this.byPage.get(page);
    if (!regions) return;
    for (const number of regions.values()) {
      this.functions.set(number, null);
      this.freeNumbers.push(number);
      this.dropped++;
    }
    this.byPage.delete(page);
    emptySlots(this.arena.bytes, page);
  }

  /** Drops everything, with the table that keeps the modules alive. Not while a region runs. */
  evictAll(): void {
    for (const page of [...this.byPage.keys()]) this.drop(page);
    this.pending = [];
    this.functions = newTable();
    this.freeNumbers.length = 0;
    this.nextNumber = 1;
    this.modules = 0;
    this.evictions++;
  }
}

function newTable(): WebAssembly.Table {
  return new WebAssembly.Table({ element: 'anyfunc', initial: 512 });
}
