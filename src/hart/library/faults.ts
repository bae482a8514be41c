import { invariant } from '../../common/invariant.ts';
import { i32, type ModuleBuilder } from '../../execute/wasm/index.ts';
import { Access, Cause } from '../constants.ts';
import { TRAP_CAUSE, TRAP_PENDING, TRAP_VALUE } from '../layout.ts';

const ACCESSES = [Access.fetch, Access.load, Access.store];

/** access 0, 1, 2 -> causes 12, 13, 15 */
const PAGE_FAULTS = [Cause.fetchPageFault, Cause.loadPageFault, Cause.storePageFault];
/** access 0, 1, 2 -> causes 1, 5, 7 */
const ACCESS_FAULTS = [Cause.fetchAccess, Cause.loadAccess, Cause.storeAccess];

for (const access of ACCESSES) {
  const pageFault = access + Cause.fetchPageFault + Number(access === Access.store);
  invariant(pageFault === PAGE_FAULTS[access], `the cause of a page fault can be computed: access ${access}`);
  const accessFault = access * 2 + 1 + Number(access !== Access.fetch) * 2;
  invariant(accessFault === ACCESS_FAULTS[access], `the cause of an access fault can be computed: access ${access}`);
}

/** What raises exceptions. (hart, virtual address, access) for both faults. */
export function defineFaults(module: ModuleBuilder) {
  /** Records an exception; the run loop takes it. */
  const raise = module.function('raise', ['i32', 'i32', 'i64'], undefined, (f, hart, cause, value) => {
    f.store(hart.get, cause.get.extendU(), TRAP_CAUSE);
    f.store(hart.get, value.get, TRAP_VALUE);
    f.store(hart.get, i32(1), TRAP_PENDING);
  });

  const pageFault = module.function(
    'raise_page_fault',
    ['i32', 'i64', 'i32'],
    undefined,
    (f, hart, address, access) => {
      const cause = access.get.add(Cause.fetchPageFault).add(access.get.eq(Access.store));
      f.do(raise, hart.get, cause, address.get);
    },
  );

  const accessFault = module.function(
    'raise_access_fault',
    ['i32', 'i64', 'i32'],
    undefined,
    (f, hart, address, access) => {
      const cause = access.get.shl(1).add(1).add(access.get.ne(Access.fetch).shl(1));
      f.do(raise, hart.get, cause, address.get);
    },
  );

  return { raise, pageFault, accessFault };
}

export type Faults = ReturnType<typeof defineFaults>;
