import {
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  type Local,
  type ModuleBuilder,
} from '../../../execute/wasm/index.ts';
import { Access } from '../../constants.ts';
import { decodedSlot, OP_PAGE_END, SLOT_BYTES, SLOT_OP } from '../../decoded-slots.ts';
import { CROSSING_BITS, CROSSING_KEY, CROSSING_PAGE, FETCHED_FRAME } from '../../layout.ts';
import { PMP_X } from '../pmp.ts';
import type { Fetch, FetchParts } from './fetch-parts.ts';

/**
 * (hart, virtual address, physical address, privilege) -> the crossing page with this one instruction, and behind it
 * the way to the next; or 0 after raising. For pages that PMP does not treat as a whole: each instruction is checked by
 * itself (3.7.1). And for pages with a breakpoint.
 */
export function defineFetchAlone(module: ModuleBuilder, parts: FetchParts, fetch: Fetch) {
  const { host, physical } = parts;
  return module.function('fetch_alone', ['i32', 'i64', 'i64', 'i32'], 'i32', (f, hart, address, target, privilege) => {
    const offset = f.let(target.get.wrap().and(4095));
    const frame = f.let(f.call(physical.frameOf, hart.get, target.get, i32(Access.load)));
    const bits = f.local('i32');
    f.set(bits, frame.add(offset).load16U());
    const long = f.let(bits.get.and(3).eq(3));
    f.if(long, () => {
      f.if(
        offset.eq(4094),
        () => addFromNextPage(f, fetch, hart.get, address.get, bits),
        () => {
          checkSecondHalf(f, parts, hart.get, address.get, target.get, privilege.get);
          f.set(bits, frame.add(offset).load());
        },
      );
    });
    const page = f.let(hart.get.load(CROSSING_PAGE));
    const slot = f.let(decodedSlot(page, offset));
    f.store(hart.get, bits.get, CROSSING_BITS);
    f.store(hart.get, i32(0), CROSSING_KEY);
    f.do(host.decode, slot, bits.get, i32(1));
    f.store16(slot.add(long.add(1).mul(SLOT_BYTES)), OP_PAGE_END, SLOT_OP);
    f.result(page);
  });
}

/** Returns from the function when the next page faults. */
function addFromNextPage(f: FunctionBuilder, fetch: Fetch, hart: I32, address: I64, bits: Local<'i32'>): void {
  f.if(f.call(fetch, hart, address.add(2), i32(0)).eqz(), () => f.return(i32(0)));
  f.set(bits, bits.get.or(hart.load(FETCHED_FRAME).load16U().shl(16)));
}

/** Returns from the function when PMP does not allow the instruction's second halfword, in the same page. */
function checkSecondHalf(
  f: FunctionBuilder,
  { pmp, faults }: FetchParts,
  hart: I32,
  address: I64,
  target: I64,
  privilege: I32,
): void {
  f.if(f.call(pmp.check, hart, target.add(2), i32(2), privilege).and(PMP_X).eqz(), () => {
    f.do(faults.accessFault, hart, address.add(2), i32(Access.fetch));
    f.return(i32(0));
  });
}
