import { i32, i64, type ModuleBuilder } from '../../execute/wasm/index.ts';
import * as C from '../constants.ts';
import {
  Access,
  Cause,
  Privilege,
  PTE_A,
  PTE_D,
  PTE_R,
  PTE_U,
  PTE_V,
  PTE_W,
  PTE_X,
  SATP_MODE_SV39,
} from '../constants.ts';
import * as L from '../layout.ts';
import type { Physical } from './physical.ts';
import { PMP_R, type Pmp } from './pmp.ts';

/** Low bits of what `translate` returns, beside the physical page. */
export const ALLOWS_LOAD = 1;
export const ALLOWS_STORE = 2;
export const SUPERPAGE = 4;

/** Reserved or not implemented: Svnapot's N, Svpbmt's PBMT, bits 60 to 54. */
const PTE_RESERVED = 0xffc0_0000_0000_0000n;

/** Address translation (privileged spec 12.3.2, 12.4, 12.5), with Svade: A or D not set is a page fault. */
export function defineTranslate(module: ModuleBuilder, physical: Physical, pmp: Pmp) {
  /** Records an exception; the run loop takes it. */
  const raise = module.function('raise', ['i32', 'i32', 'i64'], undefined, (f, hart, cause, value) => {
    f.store(hart.get, cause.get.extendU(), L.TRAP_CAUSE);
    f.store(hart.get, value.get, L.TRAP_VALUE);
    f.store(hart.get, i32(1), L.TRAP_PENDING);
  });

  /** access 0, 1, 2 -> causes 12, 13, 15 */
  const pageFault = module.function(
    'raise_page_fault',
    ['i32', 'i64', 'i32'],
    undefined,
    (f, hart, address, access) => {
      const cause = access.get.add(Cause.fetchPageFault).add(access.get.eq(Access.store));
      f.do(raise, hart.get, cause, address.get);
    },
  );

  /** access 0, 1, 2 -> causes 1, 5, 7 */
  const accessFault = module.function(
    'raise_access_fault',
    ['i32', 'i64', 'i32'],
    undefined,
    (f, hart, address, access) => {
      const cause = access.get.shl(1).add(1).add(access.get.ne(Access.fetch).shl(1));
      f.do(raise, hart.get, cause, address.get);
    },
  );

  /**
   * (hart, virtual address, access, privilege) -> physical page | ALLOWS_* | SUPERPAGE, or -1 after raising a fault. The
   * permission asked for is given when it returns.
   */
  const translate = module.function(
    'translate',
    ['i32', 'i64', 'i32', 'i32'],
    'i64',
    (f, hart, address, access, privilege) => {
      const satp = f.let(hart.get.load64(L.SATP));
      const mode = f.let(satp.shrU(60).wrap());
      f.if(mode.eqz().or(privilege.get.eq(Privilege.M)), () => {
        f.if(address.get.shrU(56).ne(0), () => {
          f.do(accessFault, hart.get, address.get, access.get);
          f.return(i64(-1));
        });
        f.return(address.get.and(-4096n).or(ALLOWS_LOAD | ALLOWS_STORE));
      });

      const entry = f.local('i64');
      const shift = f.local('i64');
      const table = f.local('i64');
      f.block((fault) => {
        f.if(
          mode.eq(SATP_MODE_SV39),
          () => {
            f.branchIf(fault, address.get.shl(25).shrS(25).ne(address.get));
            f.set(shift, i64(30));
          },
          () => {
            f.branchIf(fault, address.get.shl(16).shrS(16).ne(address.get));
            f.set(shift, i64(39));
          },
        );
        f.set(table, satp.and((1n << 44n) - 1n).shl(12));
        f.loop((descend) => {
          const entryAddress = f.let(table.get.add(address.get.shrU(shift.get).and(511).shl(3)));
          f.if(f.call(pmp.check, hart.get, entryAddress, i32(8), i32(Privilege.S)).and(PMP_R).eqz(), () => {
            f.do(accessFault, hart.get, address.get, access.get);
            f.return(i64(-1));
          });
          const frame = f.let(f.call(physical.frameOf, hart.get, entryAddress, i32(Access.load)));
          f.if(frame.eqz(), () => {
            f.do(accessFault, hart.get, address.get, access.get);
            f.return(i64(-1));
          });
          f.set(entry, frame.add(entryAddress.wrap().and(4095)).load64());
          f.branchIf(fault, entry.get.and(PTE_V).eqz().or(entry.get.and(PTE_RESERVED).ne(0)));
          f.branchIf(fault, entry.get.and(PTE_R | PTE_W).eq(PTE_W));
          f.if(entry.get.and(PTE_R | PTE_X).eqz(), () => {
            f.branchIf(
              fault,
              entry.get
                .and(PTE_A | PTE_D | PTE_U)
                .ne(0)
                .or(shift.get.eq(12)),
            );
            f.set(
              table,
              entry.get
                .shrU(10)
                .and((1n << 44n) - 1n)
                .shl(12),
            );
            f.set(shift, shift.get.sub(9));
            f.branch(descend);
          });
        });

        // Permissions of the leaf for this privilege
        const status = f.let(hart.get.load64(L.MSTATUS));
        const user = f.let(entry.get.and(PTE_U).ne(0));
        const userMode = f.let(privilege.get.eq(Privilege.U));
        const sum = status.and(C.MSTATUS_SUM).ne(0).and(access.get.ne(Access.fetch));
        f.branchIf(fault, user.eqz().and(userMode).or(user.and(userMode.eqz()).and(sum.eqz())));
        f.branchIf(fault, entry.get.and(PTE_A).eqz());
        const executable = f.let(entry.get.and(PTE_X).ne(0));
        const mxr = status.and(C.MSTATUS_MXR).ne(0);
        const readable = f.let(entry.get.and(PTE_R).ne(0).or(mxr.and(executable)));
        const writable = f.let(entry.get.and(PTE_W | PTE_D).eq(PTE_W | PTE_D));
        f.branchIf(fault, access.get.eq(Access.fetch).and(executable.eqz()));
        f.branchIf(fault, access.get.eq(Access.load).and(readable.eqz()));
        f.branchIf(fault, access.get.eq(Access.store).and(writable.eqz()));

        const offsetMask = f.let(i64(1).shl(shift.get).sub(1));
        const base = f.let(
          entry.get
            .shrU(10)
            .and((1n << 44n) - 1n)
            .shl(12),
        );
        f.branchIf(fault, base.and(offsetMask).ne(0)); // misaligned superpage
        const page = base.or(address.get.and(offsetMask)).and(-4096n);
        const flags = readable.or(writable.shl(1)).or(shift.get.ne(12).shl(2));
        f.return(page.or(flags.extendU()));
      });
      f.do(pageFault, hart.get, address.get, access.get);
      f.result(i64(-1));
    },
  );

  return { raise, pageFault, accessFault, translate };
}

export type Translate = ReturnType<typeof defineTranslate>;
