import { ACCESS_ATOMIC, Access } from '../hart/constants.ts';
import * as L from '../hart/layout.ts';
import { DebugFetch } from '../hart/library/imports.ts';
import type { Hart } from './hart.ts';

/** A range of virtual addresses, whatever address space is current. */
export interface Watchpoint {
  readonly kind: 'write' | 'read' | 'access';
  /** Unsigned. */
  readonly address: bigint;
  readonly bytes: number;
}

/** Why `run` stopped before an instruction. */
export type DebugHit =
  | { readonly kind: 'breakpoint'; readonly address: bigint }
  /** The instruction is about to make this access. */
  | {
      readonly kind: 'watchpoint';
      readonly address: bigint;
      readonly bytes: number;
      readonly reads: boolean;
      readonly writes: boolean;
    };

const PAGE = ~0xfffn;

const unsigned = (address: bigint): bigint => BigInt.asUintN(64, address);

/**
 * The breakpoints and watchpoints of one hart, and the answers to what generated code asks about them. They are no state of the
 * machine: what the guest does is the same with and without them. Pages that hold one have no host half in the TLBs, so that every
 * access to them asks here; no page has to ask while there are none.
 */
export class DebugStops {
  private readonly hart: Hart;
  private readonly breakpoints = new Map<bigint, Set<bigint>>();
  private watchpoints: readonly Watchpoint[] = [];
  private passing = false;
  /** What `run` stopped for last. */
  hit: DebugHit | undefined;

  constructor(hart: Hart) {
    this.hart = hart;
  }

  /** Sets all anew. Not while the hart runs. */
  set(breakpoints: Iterable<bigint>, watchpoints: readonly Watchpoint[]): void {
    this.breakpoints.clear();
    for (const breakpoint of breakpoints) {
      const address = unsigned(breakpoint);
      const page = this.breakpoints.get(address & PAGE);
      if (page) page.add(address);
      else this.breakpoints.set(address & PAGE, new Set([address]));
    }
    this.watchpoints = [...watchpoints];
    const waitsFor =
      (this.watchpoints.length > 0 ? L.DEBUG_WATCHPOINTS : 0) | (this.breakpoints.size > 0 ? L.DEBUG_BREAKPOINTS : 0);
    this.hart.put(L.DEBUG_STOPS, BigInt(waitsFor));
    this.hart.withholdAll();
  }

  get any(): boolean {
    return this.hart.get(L.DEBUG_STOPS) !== 0n;
  }

  hasBreakpoint(address: bigint): boolean {
    return this.breakpoints.get(unsigned(address) & PAGE)?.has(unsigned(address)) ?? false;
  }

  /** Does something, such as a step, that nothing here stops. */
  pass<T>(action: () => T): T {
    this.passing = true;
    try {
      return action();
    } finally {
      this.passing = false;
    }
  }

  /** The watchpoints that an access lies on. */
  watchpointsAt(hit: DebugHit & { kind: 'watchpoint' }): Watchpoint[] {
    const end = hit.address + BigInt(hit.bytes);
    return this.watchpoints.filter(
      ({ kind, address, bytes }) =>
        address < end &&
        hit.address < address + BigInt(bytes) &&
        (kind === 'access' || (kind === 'write' ? hit.writes : hit.reads)),
    );
  }

  /** Before an access of the guest: true stops it. */
  access(address: bigint, bytes: number, access: number): boolean {
    if (this.passing) return false;
    const hit = {
      kind: 'watchpoint',
      address: unsigned(address),
      bytes,
      reads: access === Access.load || access === ACCESS_ATOMIC,
      writes: access !== Access.load,
    } as const;
    if (this.watchpointsAt(hit).length === 0) return false;
    this.hit = hit;
    return true;
  }

  /** Whether a page must not be accessed without asking. */
  watchesPage(address: bigint): boolean {
    const page = unsigned(address) & PAGE;
    return this.watchpoints.some((watch) => watch.address < page + 4096n && page < watch.address + BigInt(watch.bytes));
  }

  fetch(fetched: bigint): number {
    const address = unsigned(fetched);
    const page = this.breakpoints.get(address & PAGE);
    if (!page) return DebugFetch.none;
    if (this.passing || !page.has(address)) return DebugFetch.elsewhere;
    this.hit = { kind: 'breakpoint', address };
    return DebugFetch.here;
  }
}
