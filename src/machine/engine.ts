import { DecodedPages } from '../execute/interpreter/decoded-pages.ts';
import { generateInterpreter, type InterpreterExports } from '../execute/interpreter/generate.ts';
import { writeSlot } from '../execute/interpreter/slot-writer.ts';
import { FETCH_TLB, FETCH_TLB_ENTRIES, TLB_ENTRY_BYTES, TLB_READ_TAG } from '../hart/layout.ts';
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

export interface EngineOptions extends ArenaOptions {
  readonly floatFastPaths: boolean;
  /** How many code pages stay decoded. */
  readonly decodedPageLimit: number;
}

/** One memory, the interpreter instantiated on it, and the decoded pages. Harts of several machines can live in it. */
export class Engine {
  readonly arena: Arena;
  readonly decoded: DecodedPages;
  readonly interpreter: InterpreterExports;
  private readonly ports = new Map<number, HartPorts>();
  private readonly mmioFaultOffset: number;

  private constructor(arena: Arena, decoded: DecodedPages, module: WebAssembly.Module, mmioFaultOffset: number) {
    this.arena = arena;
    this.decoded = decoded;
    this.mmioFaultOffset = mmioFaultOffset;
    const imports = { env: { memory: arena.memory }, host: this.imports() as unknown as Record<string, unknown> };
    this.interpreter = new WebAssembly.Instance(module, imports).exports as unknown as InterpreterExports;
  }

  static async create(options: EngineOptions, mmioFaultOffset: number): Promise<Engine> {
    const arena = new Arena(options);
    const decoded = new DecodedPages(arena, options.decodedPageLimit);
    const memory = { initialPages: arena.pages, maximumPages: arena.pages, shared: options.shared };
    const module = await interpreterModule(memory, options.floatFastPaths);
    return new Engine(arena, decoded, module, mmioFaultOffset);
  }

  /** Registers what a hart's accesses reach. */
  connect(hart: number, ports: HartPorts): void {
    this.ports.set(hart, ports);
  }

  private imports(): HostImports {
    const { arena } = this;
    return {
      frameFault: (hart, page, access) => this.ports.get(hart)!.frameFault(page, access),
      mmioLoad: (hart, address, width) => {
        const value = this.ports.get(hart)!.mmioLoad(address >>> 0, width as 1 | 2 | 4);
        if (value < 0) arena.words[(hart + this.mmioFaultOffset) >>> 2] = 1;
        return value;
      },
      mmioStore: (hart, address, width, value) => {
        const mask = width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff;
        const done = this.ports.get(hart)!.mmioStore(address >>> 0, width as 1 | 2 | 4, (value & mask) >>> 0);
        if (!done) arena.words[(hart + this.mmioFaultOffset) >>> 2] = 1;
      },
      codePage: (_hart, frame) => this.decodedPage(frame >>> 0),
      decode: (slot, bits, crossing) => writeSlot(arena.view, slot >>> 0, bits, crossing !== 0),
    };
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
