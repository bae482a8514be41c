import type { ModuleBuilder } from '../../execute/wasm/index.ts';

/**
 * What generated code asks of the host. All of it is rare: misses, device registers, first execution. Module name:
 * "host".
 */
export interface HostImports {
  /** The map has no frame for this page of RAM, or not a writable one: (hart, page, access) -> the new map entry. */
  frameFault(hart: number, page: number, access: number): number;
  /** Device registers: (hart, physical address, width 1, 2 or 4) -> value. Sets MMIO_FAULT. */
  mmioLoad(hart: number, address: number, width: number): number;
  mmioStore(hart: number, address: number, width: number, value: number): void;
  /** A frame is run for the first time: (hart, frame) -> address of an empty decoded page for it. */
  codePage(hart: number, frame: number): number;
  /** Bytes of decoded instructions of this decoded page changed; its slots are empty already. */
  codeChanged(page: number): void;
  /** Many stores in a row to the frame of this decoded page hit nothing that was decoded. */
  codeIdle(page: number): void;
  /** Control came to the slot for the HOT_THRESHOLD-th time; the page's virtual address was this. */
  hot(hart: number, page: number, slot: number, address: bigint): void;
  /** Decodes `bits` into the slot at `slot`; `crossing`: the instruction lies across two pages. */
  decode(slot: number, bits: number, crossing: number): void;
  /**
   * While DEBUG_WATCHPOINTS is set: (hart, virtual address, width, Access or ACCESS_ATOMIC) -> 1 when a watchpoint lies
   * there.
   */
  debugAccess(hart: number, address: bigint, width: number, access: number): number;
  /**
   * The same: (hart, halves of a virtual address) -> 1 when a watchpoint lies in that page, which then gets no host
   * half.
   */
  debugPage(hart: number, low: number, high: number): number;
  /** While DEBUG_BREAKPOINTS is set: (hart, halves of a virtual address) -> DebugFetch. */
  debugFetch(hart: number, low: number, high: number): number;
}

/** Whether there are breakpoints in the page of an address. */
export const DebugFetch = { none: 0, elsewhere: 1, here: 2 } as const;

export function declareHostImports(module: ModuleBuilder) {
  return {
    frameFault: module.import('host', 'frameFault', ['i32', 'i32', 'i32'], 'i32'),
    mmioLoad: module.import('host', 'mmioLoad', ['i32', 'i32', 'i32'], 'i32'),
    mmioStore: module.import('host', 'mmioStore', ['i32', 'i32', 'i32', 'i32'], undefined),
    codePage: module.import('host', 'codePage', ['i32', 'i32'], 'i32'),
    codeChanged: module.import('host', 'codeChanged', ['i32'], undefined),
    codeIdle: module.import('host', 'codeIdle', ['i32'], undefined),
    hot: module.import('host', 'hot', ['i32', 'i32', 'i32', 'i64'], undefined),
    decode: module.import('host', 'decode', ['i32', 'i32', 'i32'], undefined),
    debugAccess: module.import('host', 'debugAccess', ['i32', 'i64', 'i32', 'i32'], 'i32'),
    debugPage: module.import('host', 'debugPage', ['i32', 'i32', 'i32'], 'i32'),
    debugFetch: module.import('host', 'debugFetch', ['i32', 'i32', 'i32'], 'i32'),
  };
}

export type DeclaredImports = ReturnType<typeof declareHostImports>;
