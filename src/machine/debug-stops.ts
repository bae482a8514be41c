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

/** An access of the guest that lies on a watchpoint. */
export interface WatchHit {
  readonly kind: 'watchpoint';
  readonly address: bigint;
  readonly bytes: number;
  readonly reads: boolean;
  readonly writes: boolean;
}

/** Why `run` stopped before an instruction: at its address, or for an access that it is about to make. */
export type DebugHit = { readonly kind: 'breakpoint'; readonly address: bigint } | WatchHit;

const OFFSET_MASK = 0xfff;

const unsigned = (address: bigint): bigint => BigInt.asUintN(64, address);

/** Number of the virtual page of an address; 52 bits, so a number holds it. */
function pageOf(address: bigint): number {
  return Number(unsigned(address) >> 12n);
}

/** The same from the halves of an address: for what is asked so often that a bigint would be too slow. */
function pageOfHalves(low: number, high: number): number {
  return (high >>> 0) * 2 ** 20 + (low >>> 12);
}

/**
 * The breakpoints and watchpoints of one hart, and the answers to what generated code asks about them. They are no
 * state of the machine: what the guest does is the same with and without them. Pages that hold one have no host half in
 * the TLBs, so that every access to them asks here; no page has to ask while there are none.
 */
export class DebugStops {
  private readonly hart: Hart;
  /** Offsets in their pages, by page number. */
  private readonly breakpoints = new Map<number, Set<number>>();
  private watchpoints: readonly Watchpoint[] = [];
  /** First and last page of each watchpoint. */
  private watchedPages: readonly { readonly first: number; readonly last: number }[] = [];
  /** The value of satp that stops at addresses of user space are for; undefined: every one. */
  private space: bigint | undefined;
  private passing: 'nothing' | 'breakpoints' | 'everything' = 'nothing';
  /** What `run` stopped for last. */
  hit: DebugHit | undefined;

  constructor(hart: Hart) {
    this.hart = hart;
  }

  /**
   * Sets all anew. Not while the hart runs. `space`: stops in user space, the lower half, count only where satp is
   * this.
   */
  set(breakpoints: Iterable<bigint>, watchpoints: readonly Watchpoint[], space?: bigint): void {
    this.space = space;
    this.breakpoints.clear();
    for (const address of breakpoints) {
      const page = pageOf(address);
      const offsets = this.breakpoints.get(page) ?? new Set();
      this.breakpoints.set(page, offsets.add(Number(address & BigInt(OFFSET_MASK))));
    }
    this.watchpoints = [...watchpoints];
    this.watchedPages = watchpoints.map(({ address, bytes }) => ({
      first: pageOf(address),
      last: pageOf(address + BigInt(bytes) - 1n),
    }));
    const waitsFor =
      (this.watchpoints.length > 0 ? L.DEBUG_WATCHPOINTS : 0) | (this.breakpoints.size > 0 ? L.DEBUG_BREAKPOINTS : 0);
    this.hart.put(L.DEBUG_STOPS, BigInt(waitsFor));
    this.hart.revokeTranslations();
  }

  /** Whether the machine would stop before executing at an address now. */
  hasBreakpoint(address: bigint): boolean {
    const offset = Number(address & BigInt(OFFSET_MASK));
    const isSet = this.breakpoints.get(pageOf(address))?.has(offset) ?? false;
    return isSet && this.isHere(BigInt.asIntN(64, address) >= 0n);
  }

  private isHere(inUserSpace: boolean): boolean {
    return !inUserSpace || this.space === undefined || this.space === this.hart.unsigned(L.SATP);
  }

  /** Does something, such as a step, that nothing here stops, or only watchpoints do. */
  pass<T>(action: () => T, what: 'breakpoints' | 'everything' = 'everything'): T {
    const before = this.passing;
    this.passing = what;
    try {
      return action();
    } finally {
      this.passing = before;
    }
  }

  /** The watchpoints that an access lies on. */
  watchpointsAt(hit: WatchHit): Watchpoint[] {
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
    if (this.passing === 'everything') return false;
    const hit = {
      kind: 'watchpoint',
      address: unsigned(address),
      bytes,
      reads: access !== Access.store,
      writes: access === Access.store || access === ACCESS_ATOMIC,
    } as const;
    if (this.watchpointsAt(hit).length === 0 || !this.isHere(address >= 0n)) return false;
    this.hit = hit;
    return true;
  }

  /** Whether the page of an address, given in halves, must not be accessed without asking. */
  watchesPage(low: number, high: number): boolean {
    const page = pageOfHalves(low, high);
    return this.watchedPages.some(({ first, last }) => first <= page && page <= last);
  }

  /** Before each instruction of a page that has a breakpoint. The address in halves. */
  fetch(low: number, high: number): number {
    const offsets = this.breakpoints.get(pageOfHalves(low, high));
    if (!offsets) return DebugFetch.none;
    if (this.passing !== 'nothing' || !offsets.has(low & OFFSET_MASK)) return DebugFetch.elsewhere;
    if (!this.isHere(high >= 0)) return DebugFetch.elsewhere;
    const address = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
    this.hit = { kind: 'breakpoint', address };
    return DebugFetch.here;
  }
}
