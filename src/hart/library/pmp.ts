import { choose, i32, i64, type ModuleBuilder } from '../../execute/wasm/index.ts';
import { Privilege } from '../constants.ts';
import { PMP_ENTRIES, PMP_OPEN, PMPADDR, PMPCFG } from '../layout.ts';

/** Permission bits of pmpcfg, which `check` returns as well. */
export const PMP_R = 1;
export const PMP_W = 2;
export const PMP_X = 4;
/** Added to the result when it holds for the whole page around the access. */
export const PMP_WHOLE_PAGE = 8;

const LOCKED = 0x80;

/** Physical memory protection (privileged spec 3.7). */
export function definePmp(module: ModuleBuilder) {
  /** (hart, physical address, length, privilege) -> PMP_* bits. The access lies in one page. */
  const check = module.function(
    'pmp_check',
    ['i32', 'i64', 'i32', 'i32'],
    'i32',
    (f, hart, address, length, privilege) => {
      f.if(hart.get.load(PMP_OPEN), () => f.return(i32(PMP_R | PMP_W | PMP_X | PMP_WHOLE_PAGE)));
      const index = f.local('i32');
      const low = f.local('i64');
      const high = f.local('i64'); // one past the end
      const previous = f.local('i64');
      const whole = f.local('i32');
      f.set(whole, i32(PMP_WHOLE_PAGE));
      const end = f.let(address.get.add(length.get.extendU()));
      const pageLow = f.let(address.get.and(-4096n));
      f.block((unmatched) =>
        f.loop((again) => {
          f.branchIf(unmatched, index.get.geU(PMP_ENTRIES));
          const config = f.let(hart.get.add(index.get).load8U(PMPCFG));
          const raw = f.let(hart.get.add(index.get.shl(3)).load64(PMPADDR));
          const mode = f.let(config.shrU(3).and(3));
          f.set(high, raw.shl(2));
          // TOR: from the entry below
          f.set(low, previous.get);
          f.if(mode.eq(2), () => {
            f.set(low, raw.shl(2));
            f.set(high, raw.shl(2).add(4));
          });
          f.if(mode.eq(3), () => {
            const ones = f.let(raw.xor(raw.add(1)));
            f.set(low, raw.and(ones.not()).shl(2));
            f.set(high, low.get.add(ones.add(1).shl(2)));
          });
          f.set(previous, raw.shl(2));
          f.set(index, index.get.add(1));
          f.branchIf(again, mode.eqz());
          const overlapsPage = low.get.ltU(pageLow.add(4096)).and(high.get.gtU(pageLow)).and(low.get.ltU(high.get));
          f.branchIf(again, overlapsPage.eqz());
          f.if(low.get.gtU(pageLow).or(high.get.ltU(pageLow.add(4096))), () => f.set(whole, i32(0)));
          f.branchIf(again, low.get.ltU(end).and(high.get.gtU(address.get)).eqz());
          // The lowest entry that matches any byte decides; it must match all of them.
          f.if(low.get.gtU(address.get).or(high.get.ltU(end)), () => f.return(i32(0)));
          const applies = privilege.get.ne(Privilege.M).or(config.and(LOCKED));
          f.return(choose(applies, config.and(7), i32(7)).or(whole.get));
        }),
      );
      f.result(choose(privilege.get.eq(Privilege.M), i32(7), i32(0)).or(whole.get));
    },
  );

  /** Sets PMP_OPEN: entry 0 gives everything to everyone and nothing is locked. The caller flushes the TLBs. */
  const updated = module.function('pmp_updated', ['i32'], undefined, (f, hart) => {
    const all = f.let(i64((1n << 54n) - 1n));
    const noLocks = hart.get
      .load64(PMPCFG)
      .or(hart.get.load64(PMPCFG + 8))
      .and(0x8080808080808080n)
      .eqz();
    const openFirst = hart.get.load8U(PMPCFG).and(0x1f).eq(0x1f).and(hart.get.load64(PMPADDR).eq(all));
    f.store(hart.get, noLocks.and(openFirst), PMP_OPEN);
  });

  return { check, updated };
}

export type Pmp = ReturnType<typeof definePmp>;
