import {
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  type ModuleBuilder,
} from '../../../execute/wasm/index.ts';
import { Access, CAUSE_DEBUG_STOP } from '../../constants.ts';
import * as L from '../../layout.ts';
import { DebugFetch } from '../imports.ts';
import { PMP_WHOLE_PAGE, PMP_X } from '../pmp.ts';
import { fetchEntry } from '../tlb.ts';
import { SUPERPAGE } from '../translate.ts';
import { PHYSICAL_LIMIT } from './device.ts';
import { defineFetchAlone } from './fetch-alone.ts';
import type { Fetch, FetchParts } from './fetch-parts.ts';

/**
 * A fetch's virtual address, the entry that the TLB has for it, and the tag that the entry has when it is its page's.
 */
interface Lookup {
  readonly hart: I32;
  readonly address: I64;
  readonly entry: I32;
  readonly page: I64;
  readonly tag: I64;
}

/**
 * (hart, virtual address, 1 where an instruction starts or 0 where one goes on) -> decoded page to run from, or 0 after
 * raising. FETCHED_FRAME is set. Where an instruction goes on, what it returns is only zero or not.
 */
export function defineFetch(module: ModuleBuilder, parts: FetchParts): Fetch {
  const { host, physical, faults } = parts;
  const fetch = module.declare('fetch_page', ['i32', 'i64', 'i32'], 'i32');
  const fetchAlone = defineFetchAlone(module, parts, fetch);
  module.define(fetch, (f, { get: hart }, { get: address }, starts) => {
    const entry = f.let(fetchEntry(hart, address));
    const page = f.let(address.and(-4096n));
    const tag = f.let(page.or(hart.load64(L.FETCH_CONTEXT)));
    const lookup = { hart, address, entry, page, tag };
    const target = f.local('i64');
    f.if(
      entry.load64(L.FETCH_TLB + L.TLB_TAG).eq(tag),
      () => f.set(target, knownPage(entry)),
      () => walk(f, parts, lookup, target),
    );
    const frame = f.let(f.call(physical.frameOf, hart, target.get, i32(Access.load)));
    f.if(frame.eqz(), () => {
      f.do(faults.accessFault, hart, address, i32(Access.fetch));
      f.return(i32(0));
    });
    f.store(hart, frame, L.FETCHED_FRAME);
    const at = f.let(target.get.or(address.and(4095)));
    const returnAlone = () => f.return(f.call(fetchAlone, hart, address, at, hart.load(L.PRIVILEGE)));
    f.if(hart.load(L.DEBUG_STOPS).and(L.DEBUG_BREAKPOINTS), () => {
      const breakpoint = f.let(f.call(host.debugFetch, hart, address.wrap(), address.shrU(32).wrap()));
      f.if(breakpoint.ne(DebugFetch.none), () => {
        f.if(starts.get.eqz(), () => f.return(frame));
        f.if(breakpoint.eq(DebugFetch.here), () => {
          f.do(faults.raise, hart, i32(CAUSE_DEBUG_STOP), address);
          f.return(i32(0));
        });
        returnAlone();
      });
    });
    f.if(entry.load64(L.FETCH_TLB + L.TLB_TAG).ne(tag), returnAlone);
    f.result(allowRun(f, parts, lookup, frame));
  });
  return fetch;
}

/** The physical page of an entry. */
function knownPage(entry: I32): I64 {
  return entry
    .load(L.FETCH_TLB + L.TLB_PAGE)
    .shrU(2)
    .extendU()
    .shl(12);
}

/**
 * Sets `target` to the physical page, or returns from the function after raising a fault. Fills the entry's guest half
 * unless PMP treats parts of the page differently.
 */
function walk(f: FunctionBuilder, parts: FetchParts, lookup: Lookup, target: Local<'i64'>): void {
  const { pmp, faults, noteSuperpage } = parts;
  const { hart, address, entry, page, tag } = lookup;
  const privilege = f.let(hart.load(L.PRIVILEGE));
  const found = f.let(f.call(faults.translate, hart, address, i32(Access.fetch), privilege));
  f.if(found.eq(-1), () => f.return(i32(0)));
  f.set(target, found.and(-4096n));
  const at = target.get.or(address.and(4095));
  const allowed = f.let(f.call(pmp.check, hart, at, i32(2), privilege));
  f.if(allowed.and(PMP_X).eqz().or(target.get.geU(PHYSICAL_LIMIT)), () => {
    f.do(faults.accessFault, hart, address, i32(Access.fetch));
    f.return(i32(0));
  });
  f.store(entry, i64(-1), L.FETCH_TLB + L.TLB_READ_TAG);
  f.store(entry, i64(-1), L.FETCH_TLB + L.TLB_TAG);
  f.if(allowed.and(PMP_WHOLE_PAGE), () => {
    f.if(found.wrap().and(SUPERPAGE), () => f.do(noteSuperpage, hart, page));
    f.store(entry, tag, L.FETCH_TLB + L.TLB_TAG);
    f.store(entry, target.get.shrU(12).wrap().shl(2), L.FETCH_TLB + L.TLB_PAGE);
  });
}

/**
 * Gives the entry its host half: the frame's decoded page, which is returned and is made when there is none that is
 * current.
 */
function allowRun(f: FunctionBuilder, { host, physical }: FetchParts, { hart, entry, tag }: Lookup, frame: I32): I32 {
  const slots = f.local('i32');
  f.set(slots, physical.decodedPage(hart, frame));
  // Without a decoded page the comparison is with what lies at the version's place in the empty page: its result does
  // not matter.
  f.if(slots.get.eqz().or(physical.isCurrent(hart, frame, slots.get).eqz()), () => {
    f.set(slots, f.call(host.codePage, hart, frame));
    f.do(physical.writeProtect, hart);
  });
  f.store(entry, slots.get, L.FETCH_TLB + L.TLB_ADDEND);
  f.store(entry, tag, L.FETCH_TLB + L.TLB_READ_TAG);
  return slots.get;
}
