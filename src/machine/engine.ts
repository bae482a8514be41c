import { DecodedPages } from '../execute/interpreter/decoded-pages.ts';
import { generateInterpreter, type InterpreterExports } from '../execute/interpreter/generate.ts';
import { writeSlot } from '../execute/interpreter/slot-writer.ts';
import { Translator } from '../execute/jit/translator.ts';
import {
  FETCH_TLB,
  FETCH_TLB_ENTRIES,
  HOT_THRESHOLD,
  MMIO_FAULT,
  TLB_ENTRY_BYTES,
  TLB_READ_TAG,
} from '../hart/layout.ts';
import type { HostImports } from '../hart/library/imports.ts';
import { Arena, type ArenaOptions } from '../memory/arena.ts';

/** What a hart's accesses reach in its machine. */
export interface HartPorts {
  frameFault(page: number, access: number): number;
  /** Gives the value, or -1 when nothing answers there. */
  mmioLoad(address: number, width: 1 | 2 | 4): number;
  /** False when nothing answers there. */
  mmioStore(address: number, width: 1 | 2 | 4, value: number): boolean;
}

/** When and whether code is translated. It never changes what a guest sees. */
export interface TranslationOptions {
  readonly enabled: boolean;
  /** Control must have come to a place this often. At 1 everything is translated before it runs again. */
  readonly threshold: number;
}

export const TRANSLATION_DEFAULTS: TranslationOptions = { enabled: true, threshold: 2500 };

const REGION_LIMIT = 8192;
/** That many hot places are translated at once, in one module. */
const BATCH = 24;

export interface EngineOptions extends ArenaOptions {
  readonly translation: TranslationOptions;
  readonly floatFastPaths: boolean;
  /** How many code pages stay decoded. */
  readonly decodedPageLimit: number;
}

/** One memory, the interpreter instantiated on it, and the decoded pages. Harts of several machines can live in it. */
export class Engine {
  readonly arena: Arena;
  readonly decoded: DecodedPages;
  readonly interpreter: InterpreterExports;
  readonly translator: Translator;
  private readonly translation: TranslationOptions;
  private readonly ports = new Map<number, HartPorts>();

  private constructor(arena: Arena, options: EngineOptions, module: WebAssembly.Module) {
    this.arena = arena;
    this.translation = options.translation;
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1024 });
    this.translator = new Translator(arena, table, { shared: options.shared, regionLimit: REGION_LIMIT });
    this.decoded = new DecodedPages(arena, options.decodedPageLimit, (page) => this.translator.drop(page));
    const host = this.imports() as unknown as Record<string, unknown>;
    const imports = { env: { memory: arena.memory, table }, host };
    this.interpreter = new WebAssembly.Instance(module, imports).exports as unknown as InterpreterExports;
  }

  static async create(options: EngineOptions): Promise<Engine> {
    const arena = new Arena(options);
    const memory = { initialPages: arena.pages, maximumPages: arena.pages, shared: options.shared };
    const module = await interpreterModule(memory, options.floatFastPaths);
    return new Engine(arena, options, module);
  }

  /** Registers what a hart's accesses reach. */
  connect(hart: number, ports: HartPorts): void {
    this.ports.set(hart, ports);
    const { enabled, threshold } = this.translation;
    this.arena.words[(hart + HOT_THRESHOLD) >>> 2] = enabled ? threshold : 0;
  }

  /** Between runs: translates what became hot. */
  translate(): void {
    if (this.translator.pendingCount > 0) this.translator.translatePending();
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
      hot: (page, slot) => this.hot(page >>> 0, slot >>> 0),
      decode: (slot, bits, crossing) => writeSlot(arena.view, slot >>> 0, bits, crossing !== 0),
    };
  }

  private hot(page: number, slot: number): void {
    if (!this.translation.enabled) return;
    this.translator.hot(page, slot);
    if (this.translator.pendingCount >= (this.translation.threshold === 1 ? 1 : BATCH)) this.translate();
  }

  private decodedPage(frame: number): number {
    const page = this.decoded.take(frame);
    if (page !== undefined) return page;
    this.decoded.clear();
    for (const hart of this.ports.keys()) this.withholdCode(hart);
    return this.decoded.take(frame)!;
  }

  /** Takes the host half of a hart's fetch translations away. */
  private withholdCode(hart: number): void {
    for (let i = 0; i < FETCH_TLB_ENTRIES; i++) {
      this.arena.longs[(hart + FETCH_TLB + i * TLB_ENTRY_BYTES + TLB_READ_TAG) / 8] = -1n;
    }
  }
}

const modules = new Map<string, Promise<WebAssembly.Module>>();

/** The interpreter is compiled once for each kind of memory. */
function interpreterModule(
  memory: { initialPages: number; maximumPages: number; shared: boolean },
  floatFastPaths: boolean,
): Promise<WebAssembly.Module> {
  // A module asks for at least the memory it was made for; the smallest serves all.
  const key = `${memory.shared} ${floatFastPaths}`;
  let module = modules.get(key);
  if (!module) {
    const declared = { initialPages: 1, maximumPages: 65536, shared: memory.shared };
    module = WebAssembly.compile(generateInterpreter({ memory: declared, floatFastPaths }));
    modules.set(key, module);
  }
  return module;
}
