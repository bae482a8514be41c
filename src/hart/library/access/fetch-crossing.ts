import { i32, type ModuleBuilder } from '../../../execute/wasm/index.ts';
import { decodedSlot, SLOTS_FRAME } from '../../decoded-slots.ts';
import { CROSSING_BITS, CROSSING_KEY, CROSSING_PAGE, FETCHED_FRAME } from '../../layout.ts';
import type { DeclaredImports } from '../imports.ts';
import type { Fetch } from './fetch-parts.ts';

/**
 * (hart, pc, decoded page) with pc at a page's last halfword and the first half of a 4-byte instruction there: decodes
 * it into the crossing slot. 1, or 0 after raising a fault of its second half.
 */
export function defineFetchCrossing(module: ModuleBuilder, host: DeclaredImports, fetch: Fetch) {
  return module.function('fetch_crossing', ['i32', 'i64', 'i32'], 'i32', (f, hart, pc, slots) => {
    const low = f.let(slots.get.load(SLOTS_FRAME).load16U(4094));
    const next = f.let(f.call(fetch, hart.get, pc.get.add(2), i32(0)));
    f.if(next.eqz(), () => f.return(i32(0)));
    const bits = f.let(low.or(hart.get.load(FETCHED_FRAME).load16U().shl(16)));
    const crossing = f.let(hart.get.load(CROSSING_PAGE));
    const slot = f.let(decodedSlot(crossing, i32(4094)));
    f.if(hart.get.load(CROSSING_KEY).ne(bits), () => {
      f.store(hart.get, bits, CROSSING_BITS);
      f.store(hart.get, bits, CROSSING_KEY);
      f.do(host.decode, slot, bits, i32(1));
    });
    f.result(i32(1));
  });
}
