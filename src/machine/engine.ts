import { DECODE_TABLE_BYTES, fillDecodeTable, learn } from '../execute/interpreter/decode-table.ts';
import { DecodedPages } from '../execute/interpreter/decoded-pages.ts';
import type { InterpreterExports } from '../execute/interpreter/generate.ts';
import { writeSlot } from '../execute/interpreter/slot-writer.ts';
import { TranslationCache } from '../execute/jit/cache.ts';
import { DirectCompiler, type RegionCompiler } from '../execute/jit/compiler.ts';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../execute/jit/options.ts';
import { type LiveLimits, type PagesAround, Translator, type TranslatorStatistics } from '../execute/jit/translator.ts';
import { REGION_EXITS, RegionExit, type RegionExitName, SLOTS_FRAME } from '../hart/decoded-slots.ts';
import {
  CROSSING_KEY,
  FETCH_CONTEXT,
  FETCH_TLB,
  FETCH_TLB_ENTRIES,
  HOT_THRESHOLD,
  MMIO_FAULT,
  REGION_EXIT_COUNTS,
  TLB_ADDEND,
  TLB_ENTRY_BYTES,
  TLB_READ_TAG,
  TRANSLATED_INSTRUCTIONS,
} from '../hart/layout.ts';
import type { HostImports } from '../hart/library/imports.ts';
import { Arena, type ArenaOptions, type JoinedMemory } from '../memory/arena.ts';
import { FRAME_BYTES } from '../memory/layout.ts';
import type { DebugStops } from './debug-stops.ts';
import { interpreterModule } from './interpreter-module.ts';

/** What a hart's accesses reach in its machine. */
export interface HartPorts {
  frameFault(page: number, access: number): number;
  /** Gives the value, or -1 when nothing answers there. */
  mmioLoad(address: number, width: 1 | 2 | 4): number;
  /** False when nothing answers there. */
  mmioStore(address: number, width: 1 | 2 | 4, value: number): boolean;
  readonly stops: DebugStops;
}

/** When and whether code is translated. It never changes what a guest sees. */
export interface TranslationOptions {
  readonly enabled: boolean;
  /** Control must have come to a place this often. At 1 everything is translated before it runs again. */
  readonly threshold: number;
  readonly optimizations: Optimizations;
}

export const TRANSLATION_DEFAULTS: TranslationOptions = {
  enabled: true,
  threshold: 2500,
  optimizations: ALL_OPTIMIZATIONS,
};

/**
 * How many regions and modules are live at most. What V8 makes of a module and keeps beside it is much more than its
 * WebAssembly.
 */
const LIMITS: LiveLimits = { regions: 3071, modules: 250, bytes: 7 * 1024 ** 2 };
/** Tests that translate everything at once make a module for each place. */
const LIMITS_AT_ONCE: LiveLimits = { regions: 65_535, modules: 8000, bytes: 1024 ** 3 };
/**
 * That many hot places are translated at once, in one module; fewer after this many runs. The more modules are live,
 * the longer it waits for the next one to fill.
 */
const BATCH = 24;
const PATIENCE_RUNS = 4;
/** The host's collector runs after so much new WebAssembly: V8 counts little of what goes with it as garbage. */
const COLLECTED_BYTES = 6 * 1024 ** 2;
const MODULES_PER_RUN = 8;
/** Looking through a hart's TLBs for a page takes about 2 us; filling them again about as long as for so many pages. */
const PAGES_ONE_BY_ONE = 32;

export interface EngineOptions {
  /** Memory of its own, or one that other threads run machines in too. */
  readonly memory: ArenaOptions | JoinedMemory;
  readonly translation: TranslationOptions;
  readonly floatFastPaths: boolean;
  /** Compiles regions. Default: in this thread, when they are asked for. */
  readonly compiler?: RegionCompiler;
  /** Default: one that all machines of this thread share. */
  readonly cache?: TranslationCache;
  /** How many code pages stay decoded. */
  readonly decodedPageLimit: number;
  /** Called when much of what the host made of translated code is not needed any more, and should be freed. */
  readonly collectGarbage?: () => void;
}

/** What became of a machine's code. Counts since the beginning, where not said otherwise. */
export interface EngineStatistics extends TranslatorStatistics {
  /** Instructions that translated code retired; the interpreter did the others. */
  readonly translatedInstructions: number;
  /** How often control came back from translated code to the interpreter, by the reason. */
  readonly exits: Readonly<Record<RegionExitName, number>>;
  /** Pages of instructions that are decoded for the interpreter now. */
  readonly decodedPages: number;
  /** How many decoded pages were given up because there were too many. */
  readonly decodedPagesEvicted: number;
}

/** One memory, the interpreter instantiated on it, and the decoded pages. Harts of several machines can live in it. */
export class Engine {
  readonly arena: Arena;
  readonly decoded: DecodedPages;
  readonly translator: Translator;
  private readonly translation: TranslationOptions;
  readonly interpreter: InterpreterExports;
  private runsWaited = 0;
  /** Where the instruction that lies across two pages is decoded, for whichever hart runs. */
  readonly crossingPage: number;
  readonly decodeTable: number;
  private entered = 0;
  private collectedAtBytes = 0;
  private readonly collectGarbage: (() => void) | undefined;
  private readonly ports = new Map<number, HartPorts>();

  private constructor(arena: Arena, options: EngineOptions, module: WebAssembly.Module) {
    this.arena = arena;
    this.translation = options.translation;
    this.collectGarbage = options.collectGarbage;
    const limits = options.translation.threshold === 1 ? LIMITS_AT_ONCE : LIMITS;
    const optimizations = effectiveOptimizations(options);
    this.translator = new Translator(arena, {
      code: { shared: isShared(options), optimizations },
      compiler: usableCompiler(options),
      cache: options.cache ?? sharedCache,
      limits,
    });
    this.decoded = new DecodedPages(arena, options.decodedPageLimit, {
      changed: (page) => this.translator.drop(page),
      givenUp: (page) => this.translator.forget(page),
    });
    this.crossingPage = this.decoded.allocateLoose();
    this.decodeTable = arena.allocate(DECODE_TABLE_BYTES, 64);
    fillDecodeTable(arena.words, this.decodeTable);
    const env = { memory: arena.memory, table: this.translator.table };
    const host = this.imports() as unknown as Record<string, () => unknown>;
    const { exports } = new WebAssembly.Instance(module, { env, host });
    this.interpreter = exports as unknown as InterpreterExports;
  }

  static async create(options: EngineOptions): Promise<Engine> {
    const arena = new Arena(options.memory);
    const floatFastPaths = effectiveOptimizations(options)['host-float'];
    const module = await interpreterModule({ shared: isShared(options), floatFastPaths });
    return new Engine(arena, options, module);
  }

  /** What became of a hart's code. Regions are those of all harts in this memory. */
  statistics(hart: number): EngineStatistics {
    const count = (offset: number) => Number(this.arena.longs[(hart + offset) / 8]!);
    const exits = REGION_EXITS.map((name) => [name, count(REGION_EXIT_COUNTS + 8 * RegionExit[name])] as const);
    const { pages, evicted } = this.decoded.stats;
    return {
      ...this.translator.stats,
      translatedInstructions: count(TRANSLATED_INSTRUCTIONS),
      exits: Object.fromEntries(exits) as EngineStatistics['exits'],
      decodedPages: pages,
      decodedPagesEvicted: evicted,
    };
  }

  /** Registers what a hart's accesses reach. */
  connect(hart: number, ports: HartPorts): void {
    this.ports.set(hart, ports);
    const { enabled, threshold } = this.translation;
    this.arena.words[(hart + HOT_THRESHOLD) >>> 2] = enabled ? threshold : 0;
  }

  /** A machine is gone. */
  disconnect(hart: number): void {
    this.ports.delete(hart);
    // Places that became hot there may still wait, and would find pages in its TLB that serve other frames by then.
    this.revokeCode(hart);
    if (this.entered === hart) this.entered = 0;
  }

  /** Before a hart runs: what another one left in the crossing page is nothing to this one. */
  enter(hart: number): void {
    if (this.entered === hart) return;
    this.entered = hart;
    this.arena.words[(hart + CROSSING_KEY) >>> 2] = 0;
  }

  /**
   * Another frame stands behind a hart's physical page (number). What was decoded goes with the content that the hart
   * runs; the frame before, if others still have it, is decoded again when they do.
   */
  frameReplaced(hart: number, physicalPage: number, before: number, now: number): void {
    this.interpreter.revoke_page(hart, physicalPage);
    if (before === this.arena.zeroFrame || !this.decoded.move(before, now)) return;
    for (const other of this.ports.keys()) if (other !== hart) this.revokeCode(other);
  }

  /** The first write to each of these physical pages of the hart (numbers) must be noticed. */
  pagesProtected(hart: number, physicalPages: readonly number[]): void {
    if (physicalPages.length > PAGES_ONE_BY_ONE) this.interpreter.write_protect(hart);
    else for (const page of physicalPages) this.interpreter.revoke_page(hart, page);
  }

  /** What stood behind these physical pages of the hart (numbers) does so no more. */
  pagesDropped(hart: number, physicalPages: readonly number[]): void {
    if (physicalPages.length > PAGES_ONE_BY_ONE) this.interpreter.revoke_all(hart);
    else for (const page of physicalPages) this.interpreter.revoke_page(hart, page);
  }

  /** Between runs: makes room where the limits are reached, and translates what became hot some time ago. */
  translate(): void {
    const { translator } = this;
    if (translator.full) {
      translator.evict();
      this.freeUnused();
    }
    translator.collect();
    if (translator.compiledBytes - this.collectedAtBytes > COLLECTED_BYTES) this.freeUnused();
    const patience = PATIENCE_RUNS + Math.floor(translator.liveModules / MODULES_PER_RUN);
    if (translator.pendingCount === 0 || ++this.runsWaited < patience) return;
    this.runsWaited = 0;
    translator.translatePending();
  }

  private freeUnused(): void {
    this.collectedAtBytes = this.translator.compiledBytes;
    this.collectGarbage?.();
  }

  private imports(): HostImports {
    const { arena } = this;
    return {
      frameFault: (hart, page, access) => this.ports.get(hart)!.frameFault(page, access),
      mmioLoad: (hart, address, width) => {
        const value = this.ports.get(hart)!.mmioLoad(address >>> 0, width as 1 | 2 | 4);
        if (value < 0) arena.words[(hart + MMIO_FAULT) >>> 2] = 1;
        return value;
      },
      mmioStore: (hart, address, width, value) => {
        const mask = width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff;
        const done = this.ports.get(hart)!.mmioStore(address >>> 0, width as 1 | 2 | 4, (value & mask) >>> 0);
        if (!done) arena.words[(hart + MMIO_FAULT) >>> 2] = 1;
      },
      codePage: (_hart, frame) => this.decodedPage(frame >>> 0),
      codeChanged: (page) => this.translator.drop(page >>> 0),
      codeIdle: (page) => this.codeIdle(page >>> 0),
      hot: (hart, page, slot, address) => this.hot(page >>> 0, slot >>> 0, this.pagesAround(hart >>> 0, address)),
      debugAccess: (hart, address, width, access) =>
        this.ports.get(hart)!.stops.access(address, width, access) ? 1 : 0,
      debugPage: (hart, low, high) => (this.ports.get(hart)!.stops.watchesPage(low, high) ? 1 : 0),
      debugFetch: (hart, low, high) => this.ports.get(hart)!.stops.fetch(low, high),
      decode: (slot, bits, crossing) => this.decode(slot >>> 0, bits, crossing !== 0),
    };
  }

  private decode(slot: number, bits: number, crossing: boolean): void {
    const { view } = this.arena;
    writeSlot(view, slot, bits, crossing);
    if (!crossing) learn(view, slot, bits);
  }

  private hot(page: number, slot: number, around: PagesAround): void {
    // The crossing page stands for no frame.
    if (!this.translation.enabled || this.arena.view.getUint32(page + SLOTS_FRAME, true) === 0) return;
    this.translator.hot(page, slot, around);
    if (this.translator.pendingCount < (this.translation.threshold === 1 ? 1 : BATCH)) return;
    this.runsWaited = 0;
    this.translator.translatePending();
  }

  /**
   * Of a hart in its present address space, as far as its fetch TLB has them. A page has the right code or none:
   * regions ask the TLB again.
   */
  private pagesAround(hart: number, address: bigint): PagesAround {
    const { longs, words } = this.arena;
    const context = longs[(hart + FETCH_CONTEXT) / 8]!;
    return (distance) => {
      const page = BigInt.asIntN(64, address + BigInt(distance * FRAME_BYTES));
      const index = Number((page >> 12n) & BigInt(FETCH_TLB_ENTRIES - 1));
      const entry = fetchEntry(hart, index);
      return longs[(entry + TLB_READ_TAG) / 8] === (page | context) ? words[(entry + TLB_ADDEND) >>> 2] : undefined;
    };
  }

  private decodedPage(frame: number): number {
    const page = this.decoded.find(frame) ?? this.decoded.take(frame);
    if (page !== undefined) return page;
    if (!this.decoded.evict(this.runningPages(), (other) => this.translator.has(other))) {
      this.decoded.clear();
      for (const hart of this.ports.keys()) this.revokeCode(hart);
    }
    return this.decoded.take(frame)!;
  }

  /** Decoded pages that some hart may come to without asking. */
  private runningPages(): Set<number> {
    const { words, longs } = this.arena;
    const pages = new Set<number>();
    for (const hart of this.ports.keys()) {
      for (let i = 0; i < FETCH_TLB_ENTRIES; i++) {
        const entry = fetchEntry(hart, i);
        if (longs[(entry + TLB_READ_TAG) / 8] !== -1n) pages.add(words[(entry + TLB_ADDEND) >>> 2]!);
      }
    }
    return pages;
  }

  /** A page that is stored to all the time, without anything decoded being hit. */
  private codeIdle(page: number): void {
    if (!this.decoded.release(page)) return;
    for (const hart of this.ports.keys()) this.revokeCode(hart, page);
  }

  /** Revokes the host half of a hart's fetch translations: of all, or of those to one decoded page. */
  private revokeCode(hart: number, page?: number): void {
    const { words, longs } = this.arena;
    for (let i = 0; i < FETCH_TLB_ENTRIES; i++) {
      const entry = fetchEntry(hart, i);
      if (page === undefined || words[(entry + TLB_ADDEND) >>> 2] === page) longs[(entry + TLB_READ_TAG) / 8] = -1n;
    }
  }
}

/** Address of an entry of a hart's fetch TLB. */
function fetchEntry(hart: number, index: number): number {
  return hart + FETCH_TLB + index * TLB_ENTRY_BYTES;
}

function isShared({ memory }: EngineOptions): boolean {
  return 'lock' in memory || memory.shared;
}

/** Whether a compiler in another thread is of use. Where all is translated at once it has to be done at once. */
export function compilesApart({ enabled, threshold, optimizations }: TranslationOptions): boolean {
  return enabled && threshold > 1 && optimizations.background;
}

function usableCompiler({ compiler, translation }: EngineOptions): RegionCompiler {
  if (compiler && (compilesApart(translation) || compiler instanceof DirectCompiler)) return compiler;
  return new DirectCompiler();
}

/** `floatFastPaths: false` leaves the host's unit out everywhere. */
function effectiveOptimizations({ floatFastPaths, translation: { optimizations } }: EngineOptions): Optimizations {
  return { ...optimizations, 'host-float': optimizations['host-float'] && floatFastPaths };
}

/** Regions are the same for all machines. */
const sharedCache = new TranslationCache();
