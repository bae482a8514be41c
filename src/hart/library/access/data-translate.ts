import { invariant } from '../../../common/invariant.ts';
import { type FunctionBuilder, type I32, type I64, i32, i64, type ModuleBuilder } from '../../../execute/wasm/index.ts';
import { Access } from '../../constants.ts';
import * as L from '../../layout.ts';
import type { DeclaredImports } from '../imports.ts';
import { PMP_R, PMP_W, PMP_WHOLE_PAGE, type Pmp } from '../pmp.ts';
import { dataEntry } from '../tlb.ts';
import { ALLOWS_LOAD, ALLOWS_STORE, SUPERPAGE, type Translate } from '../translate.ts';
import type { NoteSuperpage } from './superpages.ts';

/** Physical pages from here on have no room in an entry of the TLB. */
const ENTRY_PHYSICAL_LIMIT = 1n << 42n;

// One bit says the same wherever it comes from, so that `and` is enough.
for (const loads of [PMP_R, ALLOWS_LOAD, L.TLB_READ])
  invariant(loads === Access.load, `a permission to load is Access.load: ${loads}`);
for (const stores of [PMP_W, ALLOWS_STORE, L.TLB_WRITE])
  invariant(stores === Access.store, `a permission to store is Access.store: ${stores}`);

/**
 * (hart, virtual address, width, access) -> physical address, or -1 after raising a fault. The access lies in one page.
 * Fills the entry's guest half unless PMP treats parts of the page differently.
 */
export function defineDataTranslate(
  module: ModuleBuilder,
  pmp: Pmp,
  { accessFault, translate }: Translate,
  noteSuperpage: NoteSuperpage,
) {
  return module.function('data_translate', ['i32', 'i64', 'i32', 'i32'], 'i64', (f, hart, address, width, access) => {
    const entry = f.let(dataEntry(hart.get, address.get));
    const page = f.let(address.get.and(-4096n));
    const tag = f.let(page.or(hart.get.load64(L.DATA_CONTEXT)));
    const offset = f.let(address.get.and(4095));
    returnKnown(f, entry, tag, offset, access.get);
    const privilege = f.let(hart.get.load(L.DATA_PRIVILEGE));
    const found = f.let(f.call(translate, hart.get, address.get, access.get, privilege));
    f.if(found.eq(-1), () => f.return(i64(-1)));
    const target = f.let(found.and(-4096n).or(offset));
    const allowed = f.let(f.call(pmp.check, hart.get, target, width.get, privilege));
    f.if(allowed.and(access.get).eqz(), () => {
      f.do(accessFault, hart.get, address.get, access.get);
      f.return(i64(-1));
    });
    const fits = found.ltU(ENTRY_PHYSICAL_LIMIT);
    f.if(allowed.and(PMP_WHOLE_PAGE).ne(0).and(fits), () => {
      f.if(found.wrap().and(SUPERPAGE), () => f.do(noteSuperpage, hart.get, page));
      fillGuestHalf(f, entry, tag, found, allowed);
    });
    f.result(target);
  });
}

export type DataTranslate = ReturnType<typeof defineDataTranslate>;

/** Returns from the function when the entry is this page's and allows the access. */
function returnKnown(f: FunctionBuilder, entry: I32, tag: I64, offset: I64, access: I32): void {
  f.if(entry.load64(L.DATA_TLB + L.TLB_TAG).eq(tag), () => {
    const known = f.let(entry.load(L.DATA_TLB + L.TLB_PAGE));
    f.if(known.and(access), () => f.return(known.shrU(2).extendU().shl(12).or(offset)));
  });
}

/**
 * `found` is what `translate` returned, `allowed` what the PMP check did. The host half is missing until it is asked
 * for.
 */
function fillGuestHalf(f: FunctionBuilder, entry: I32, tag: I64, found: I64, allowed: I32): void {
  const permissions = found
    .wrap()
    .and(allowed)
    .and(ALLOWS_LOAD | ALLOWS_STORE);
  f.store(entry, i64(-1), L.DATA_TLB + L.TLB_READ_TAG);
  f.store(entry, i64(-1), L.DATA_TLB + L.TLB_WRITE_TAG);
  f.store(entry, tag, L.DATA_TLB + L.TLB_TAG);
  f.store(entry, found.shrU(12).wrap().shl(2).or(permissions), L.DATA_TLB + L.TLB_PAGE);
}

/**
 * Gives the entry's host half, when its guest half is this page's: loads, or loads and stores. Pages with a watchpoint
 * never get it, so that each access comes here.
 */
export function allowHost(
  f: FunctionBuilder,
  host: DeclaredImports,
  hart: I32,
  address: I64,
  frame: I32,
  kind: 'loads' | 'loads-and-stores',
): void {
  const entry = f.let(dataEntry(hart, address));
  const page = f.let(address.and(-4096n));
  const tag = f.let(page.or(hart.load64(L.DATA_CONTEXT)));
  const allowed = f.temporary('i32');
  f.set(allowed, entry.load64(L.DATA_TLB + L.TLB_TAG).eq(tag));
  f.if(hart.load(L.DEBUG_STOPS).and(L.DEBUG_WATCHPOINTS), () => {
    f.if(f.call(host.debugPage, hart, address.wrap(), address.shrU(32).wrap()), () => f.set(allowed, i32(0)));
  });
  f.if(allowed.get, () => {
    f.store(entry, frame.sub(page.wrap()), L.DATA_TLB + L.TLB_ADDEND);
    if (kind === 'loads-and-stores') f.store(entry, tag, L.DATA_TLB + L.TLB_WRITE_TAG);
    f.if(entry.load(L.DATA_TLB + L.TLB_PAGE).and(L.TLB_READ), () => f.store(entry, tag, L.DATA_TLB + L.TLB_READ_TAG));
  });
}
