import { invariant } from '../../common/invariant.ts';
import { type I32, type I64, i32, i64, type ModuleBuilder, select } from '../../execute/wasm/index.ts';
import { FRAME_BYTES as PAGE_BYTES } from '../../memory/layout.ts';
import * as C from '../constants.ts';
import * as L from '../layout.ts';

/**
 * Translation look-aside buffers. A tag is the virtual page with a 12-bit context in its low bits: the mode (U, S, M,
 * with SUM and MXR where they matter) and a small number for the address space (`satp`), so that entries survive both
 * traps and switches of address spaces.
 */
const SPACE_SHIFT = 4;
export const DATA_CONTEXT_SUM_SHIFT = 2;
const CONTEXT_SUM = 1 << DATA_CONTEXT_SUM_SHIFT;
const CONTEXT_MXR = 8;
invariant(CONTEXT_MXR < 1 << SPACE_SHIFT, "a context's mode lies below the number of its space");
invariant(L.SPACE_COUNT << SPACE_SHIFT <= PAGE_BYTES, 'a context lies below the page in a tag');

/** Shifts an address so that its page's number comes to count entries. */
const ENTRY_SHIFT = 7;
invariant(PAGE_BYTES >> ENTRY_SHIFT === L.TLB_ENTRY_BYTES, 'neighbouring pages have neighbouring entries');
for (const entries of [L.DATA_TLB_ENTRIES, L.FETCH_TLB_ENTRIES])
  invariant((entries & (entries - 1)) === 0, `a TLB has a power of two of entries: ${entries}`);

/** Entry of the data TLB for a virtual address. */
export function dataEntry(hart: I32, address: I64): I32 {
  const byteMask = (L.DATA_TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES;
  return hart.add(address.shrU(ENTRY_SHIFT).wrap().and(byteMask));
}

export function fetchEntry(hart: I32, address: I64): I32 {
  const byteMask = (L.FETCH_TLB_ENTRIES - 1) * L.TLB_ENTRY_BYTES;
  return hart.add(address.shrU(ENTRY_SHIFT).wrap().and(byteMask));
}

/** True for a satp whose mode translates. */
function translates(satp: I64): I32 {
  return satp.shrU(60).ne(0);
}

export function defineTlb(module: ModuleBuilder) {
  const flushAll = module.function('tlb_flush_all', ['i32'], undefined, (f, hart) => {
    const bytes = (L.DATA_TLB_ENTRIES + L.FETCH_TLB_ENTRIES) * L.TLB_ENTRY_BYTES;
    f.memoryFill(hart.get.add(L.DATA_TLB), i32(0xff), i32(bytes));
    f.store(hart.get, i64(-1), L.SUPERPAGE_LOW);
    f.store(hart.get, i64(0), L.SUPERPAGE_HIGH);
  });

  /** (hart, satp) -> its number among the spaces, 1 to SPACE_COUNT - 1; a new one takes the place of the oldest. */
  const spaceOf = module.function('tlb_space_of', ['i32', 'i64'], 'i32', (f, hart, satp) => {
    const index = f.local('i32');
    f.set(index, i32(1));
    f.loop((again) => {
      f.if(hart.get.add(index.get.shl(3)).load64(L.SPACES).eq(satp.get), () => f.return(index.get));
      f.set(index, index.get.add(1));
      f.branchIf(again, index.get.ltU(L.SPACE_COUNT));
    });
    f.set(index, hart.get.load(L.NEXT_SPACE).add(1));
    f.if(index.get.geU(L.SPACE_COUNT), () => {
      f.memoryFill(hart.get.add(L.SPACES), i32(0), i32(8 * L.SPACE_COUNT));
      f.do(flushAll, hart.get);
      f.set(index, i32(1));
    });
    f.store(hart.get, index.get, L.NEXT_SPACE);
    f.store(hart.get.add(index.get.shl(3)), satp.get, L.SPACES);
    f.result(index.get);
  });

  /** After a change of privilege, mstatus or satp. */
  const updateContexts = module.function('update_contexts', ['i32'], undefined, (f, hart) => {
    const status = f.let(hart.get.load64(L.MSTATUS));
    const privilege = f.let(hart.get.load(L.PRIVILEGE));
    const space = f.local('i32');
    const satp = f.let(hart.get.load64(L.SATP));
    f.if(translates(satp), () => {
      f.if(satp.ne(hart.get.load64(L.LAST_SATP)), () => {
        f.store(hart.get, f.call(spaceOf, hart.get, satp).extendU(), L.LAST_SPACE);
        f.store(hart.get, satp, L.LAST_SATP);
      });
      f.set(space, hart.get.load(L.LAST_SPACE).shl(SPACE_SHIFT));
    });
    const translated = (mode: I32): I32 => select(mode.eq(C.Privilege.M), mode, mode.or(space.get));
    f.store(hart.get, translated(privilege).extendU(), L.FETCH_CONTEXT);

    const mpp = status.shrU(11).wrap().and(3);
    const modified = status.and(C.MSTATUS_MPRV).ne(0).and(privilege.eq(C.Privilege.M));
    const mode = f.let(select(modified, mpp, privilege));
    f.store(hart.get, mode, L.DATA_PRIVILEGE);
    const context = f.local('i32');
    f.set(context, translated(mode));
    f.if(status.and(C.MSTATUS_SUM).ne(0).and(mode.eq(C.Privilege.S)), () =>
      f.set(context, context.get.or(CONTEXT_SUM)),
    );
    f.if(status.and(C.MSTATUS_MXR).ne(0), () => f.set(context, context.get.or(CONTEXT_MXR)));
    f.store(hart.get, context.get.extendU(), L.DATA_CONTEXT);
  });

  /** Forgets the number of every space with this ASID: its entries can't be found any more. */
  const forgetAsid = module.function('tlb_forget_asid', ['i32', 'i64'], undefined, (f, hart, asid) => {
    const index = f.local('i32');
    f.set(index, i32(1));
    f.loop((again) => {
      const slot = f.let(hart.get.add(index.get.shl(3)));
      f.if(slot.load64(L.SPACES).shrU(44).and(0xffff).eq(asid.get), () => f.store(slot, i64(0), L.SPACES));
      f.set(index, index.get.add(1));
      f.branchIf(again, index.get.ltU(L.SPACE_COUNT));
    });
    f.store(hart.get, i64(0), L.LAST_SATP);
    f.do(updateContexts, hart.get);
  });

  /** Drops one virtual page in every space (privileged spec 12.2.1: sfence.vma with rs1). */
  const flushPage = module.function('tlb_flush_page', ['i32', 'i64'], undefined, (f, hart, address) => {
    const page = f.let(address.get.and(-4096n));
    f.if(page.geU(hart.get.load64(L.SUPERPAGE_LOW)).and(page.leU(hart.get.load64(L.SUPERPAGE_HIGH))), () => {
      f.do(flushAll, hart.get);
      f.return();
    });
    const drop = (entry: I32, base: number) => {
      for (const tag of [L.TLB_READ_TAG, L.TLB_WRITE_TAG, L.TLB_TAG]) f.store(entry, i64(-1), base + tag);
    };
    drop(f.let(dataEntry(hart.get, page)), L.DATA_TLB);
    drop(f.let(fetchEntry(hart.get, page)), L.FETCH_TLB);
  });

  /** (hart, rs1 value, rs2 value, bit 0: rs1 is not x0, bit 1: rs2 is not x0) */
  const fence = module.function(
    'sfence_vma',
    ['i32', 'i64', 'i64', 'i32'],
    undefined,
    (f, hart, address, asid, given) => {
      f.if(given.get.and(1), () => {
        f.do(flushPage, hart.get, address.get);
        f.return();
      });
      f.if(given.get.and(2), () => {
        f.do(forgetAsid, hart.get, asid.get.and(0xffff));
        f.return();
      });
      f.do(flushAll, hart.get);
    },
  );

  return { flushAll, updateContexts, fence };
}

export type Tlb = ReturnType<typeof defineTlb>;
