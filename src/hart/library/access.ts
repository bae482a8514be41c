import {
  decodedSlot,
  IDLE_STORES_LIMIT,
  OP_PAGE_END,
  OP_UNDECODED,
  SLOT_BYTES,
  SLOT_OP,
  SLOTS_FRAME,
  SLOTS_IDLE_STORES,
} from '../../execute/interpreter/slots.ts';
import { type I32, type I64, i32, i64, type ModuleBuilder, select } from '../../execute/wasm/index.ts';
import { ACCESS_ATOMIC, Access, CAUSE_DEBUG_STOP, Cause } from '../constants.ts';
import * as L from '../layout.ts';
import { DebugFetch, type DeclaredImports } from './imports.ts';
import type { Physical } from './physical.ts';
import { PMP_WHOLE_PAGE, PMP_X, type Pmp } from './pmp.ts';
import { dataEntry, fetchEntry } from './tlb.ts';
import { ALLOWS_LOAD, ALLOWS_STORE, SUPERPAGE, type Translate } from './translate.ts';

/** Physical addresses above this are nothing on the board. */
const PHYSICAL_LIMIT = 1n << 32n;

/** What memory accesses do when the inlined TLB look-up misses. */
export function defineAccess(
  module: ModuleBuilder,
  host: DeclaredImports,
  physical: Physical,
  pmp: Pmp,
  { raise, accessFault, translate }: Translate,
) {
  /** Widens the range that a flush of one page has to respect as a whole. */
  const noteSuperpage = module.function('tlb_note_superpage', ['i32', 'i64'], undefined, (f, hart, page) => {
    const keep = (offset: number, beyond: (limit: I64) => I32) => {
      f.if(beyond(hart.get.load64(offset)), () => f.store(hart.get, page.get, offset));
    };
    keep(L.SUPERPAGE_LOW, (limit) => page.get.ltU(limit));
    keep(L.SUPERPAGE_HIGH, (limit) => page.get.gtU(limit));
  });

  /**
   * (hart, virtual address, width, access) -> physical address, or -1 after raising a fault. The access lies in one page. Fills
   * the entry's guest half unless PMP treats parts of the page differently.
   */
  const dataTranslate = module.function(
    'data_translate',
    ['i32', 'i64', 'i32', 'i32'],
    'i64',
    (f, hart, address, width, access) => {
      const entry = f.let(dataEntry(hart.get, address.get));
      const page = f.let(address.get.and(-4096n));
      const tag = f.let(page.or(hart.get.load64(L.DATA_CONTEXT)));
      const offset = f.let(address.get.and(4095));
      f.if(entry.load64(L.DATA_TLB + L.TLB_TAG).eq(tag), () => {
        const known = f.let(entry.load(L.DATA_TLB + L.TLB_PAGE));
        f.if(known.and(access.get), () => f.return(known.shrU(2).extendU().shl(12).or(offset)));
      });
      const privilege = f.let(hart.get.load(L.DATA_PRIVILEGE));
      const found = f.let(f.call(translate, hart.get, address.get, access.get, privilege));
      f.if(found.eq(-1), () => f.return(i64(-1)));
      const target = f.let(found.and(-4096n).or(offset));
      const allowed = f.let(f.call(pmp.check, hart.get, target, width.get, privilege));
      // Access.load is 1 and PMP_R is 1, Access.store is 2 and PMP_W is 2.
      f.if(allowed.and(access.get).eqz(), () => {
        f.do(accessFault, hart.get, address.get, access.get);
        f.return(i64(-1));
      });
      f.if(
        allowed
          .and(PMP_WHOLE_PAGE)
          .ne(0)
          .and(found.ltU(1n << 42n)),
        () => {
          f.if(found.wrap().and(SUPERPAGE), () => f.do(noteSuperpage, hart.get, page));
          const permissions = found
            .wrap()
            .and(allowed)
            .and(ALLOWS_LOAD | ALLOWS_STORE);
          f.store(entry, i64(-1), L.DATA_TLB + L.TLB_READ_TAG);
          f.store(entry, i64(-1), L.DATA_TLB + L.TLB_WRITE_TAG);
          f.store(entry, tag, L.DATA_TLB + L.TLB_TAG);
          f.store(entry, found.shrU(12).wrap().shl(2).or(permissions), L.DATA_TLB + L.TLB_PAGE);
        },
      );
      f.result(target);
    },
  );

  /**
   * Gives the entry's host half, when its guest half is this page's: loads, or loads and stores. Pages with a watchpoint never get
   * it, so that each access comes here.
   */
  const allowHost = (
    f: Parameters<Parameters<typeof module.function>[3]>[0],
    hart: I32,
    address: I64,
    frame: I32,
    store: boolean,
  ) => {
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
      if (store) f.store(entry, tag, L.DATA_TLB + L.TLB_WRITE_TAG);
      f.if(entry.load(L.DATA_TLB + L.TLB_PAGE).and(L.TLB_READ), () => f.store(entry, tag, L.DATA_TLB + L.TLB_READ_TAG));
    });
  };

  /** True for the last bytes of a page and the first of the next in one access. */
  const crosses = (address: I64, width: I32): I32 => address.wrap().and(4095).add(width).gtU(4096);

  /**
   * (hart, virtual address, width, access): 1 after raising a debugger's stop, or the fault of an access that cannot be made; then it must
   * not be done.
   */
  const watched = module.function('watched', ['i32', 'i64', 'i32', 'i32'], 'i32', (f, hart, address, width, access) => {
    f.if(hart.get.load(L.DEBUG_STOPS).and(L.DEBUG_WATCHPOINTS).eqz(), () => f.return(i32(0)));
    f.if(f.call(host.debugAccess, hart.get, address.get, width.get, access.get).eqz(), () => f.return(i32(0)));
    const stores = f.let(select(access.get.and(Access.store), i32(Access.store), i32(Access.load)));
    const inPage = f.let(select(crosses(address.get, width.get), i32(1), width.get));
    f.if(f.call(dataTranslate, hart.get, address.get, inPage, stores).eq(-1), () => f.return(i32(1)));
    f.do(raise, hart.get, i32(CAUSE_DEBUG_STOP), address.get);
    f.result(i32(1));
  });

  /** (hart, virtual address, physical address, width, access): 1 when a device may be asked, else 0 after raising. */
  const deviceReachable = module.function(
    'device_reachable',
    ['i32', 'i64', 'i64', 'i32', 'i32'],
    'i32',
    (f, hart, address, target, width, access) => {
      const misaligned = target.get.wrap().and(width.get.sub(1)).ne(0);
      f.if(target.get.geU(PHYSICAL_LIMIT).or(misaligned), () => {
        f.do(accessFault, hart.get, address.get, access.get);
        f.return(i32(0));
      });
      f.store(hart.get, i32(0), L.MMIO_FAULT);
      f.result(i32(1));
    },
  );

  /** (hart, virtual address, width) -> value, zero-extended; check TRAP_PENDING. */
  const load = module.declare('load_slow', ['i32', 'i64', 'i32'], 'i64');
  module.define(load, (f, hart, address, width) => {
    const value = f.local('i64');
    const index = f.local('i32');
    f.if(hart.get.load(L.DEBUG_STOPS), () => {
      f.if(f.call(watched, hart.get, address.get, width.get, i32(Access.load)), () => f.return(i64(0)));
    });
    f.if(crosses(address.get, width.get), () => {
      f.loop((again) => {
        const byte = f.call(load, hart.get, address.get.add(index.get.extendU()), i32(1));
        f.set(value, value.get.or(byte.shl(index.get.shl(3).extendU())));
        f.if(hart.get.load(L.TRAP_PENDING), () => f.return(i64(0)));
        f.set(index, index.get.add(1));
        f.branchIf(again, index.get.ltU(width.get));
      });
      f.return(value.get);
    });
    const target = f.let(f.call(dataTranslate, hart.get, address.get, width.get, i32(Access.load)));
    f.if(target.eq(-1), () => f.return(i64(0)));
    const frame = f.let(f.call(physical.frameOf, hart.get, target, i32(Access.load)));
    f.if(frame, () => {
      allowHost(f, hart.get, address.get, frame, false);
      const at = f.let(frame.or(target.wrap().and(4095)));
      f.if(width.get.eq(8), () => f.return(at.load64()));
      f.if(width.get.eq(4), () => f.return(at.load64Of(4, false)));
      f.if(width.get.eq(2), () => f.return(at.load64Of(2, false)));
      f.return(at.load64Of(1, false));
    });
    f.if(f.call(deviceReachable, hart.get, address.get, target, width.get, i32(Access.load)).eqz(), () =>
      f.return(i64(0)),
    );
    f.if(
      width.get.eq(8),
      () => {
        f.set(value, f.call(host.mmioLoad, hart.get, target.wrap(), i32(4)).extendU());
        f.set(value, value.get.or(f.call(host.mmioLoad, hart.get, target.wrap().add(4), i32(4)).extendU().shl(32)));
      },
      () => f.set(value, f.call(host.mmioLoad, hart.get, target.wrap(), width.get).extendU()),
    );
    f.if(hart.get.load(L.MMIO_FAULT), () => f.do(accessFault, hart.get, address.get, i32(Access.load)));
    f.result(value.get);
  });

  /** (decoded page, offset in the page, width): the slots of all instructions that have a byte there are decoded anew. */
  const invalidate = module.function(
    'slots_invalidate',
    ['i32', 'i32', 'i32'],
    undefined,
    (f, slots, offset, width) => {
      const index = f.local('i32');
      const decoded = f.local('i32');
      const last = f.let(offset.get.add(width.get).sub(1).shrU(1));
      f.set(index, offset.get.shrU(1));
      // An instruction of 4 bytes may begin one halfword before.
      const before = f.let(slots.get.load(SLOTS_FRAME).add(index.get.sub(1).shl(1)));
      f.if(index.get, () => f.if(before.load16U().and(3).eq(3), () => f.set(index, index.get.sub(1))));
      f.loop((again) => {
        const slot = f.let(slots.get.add(index.get.mul(SLOT_BYTES)));
        f.set(decoded, decoded.get.or(slot.load16U(SLOT_OP)));
        f.store16(slot, OP_UNDECODED, SLOT_OP);
        f.set(index, index.get.add(1));
        f.branchIf(again, index.get.leU(last));
      });
      f.if(decoded.get, () => {
        f.store(slots.get, i32(0), SLOTS_IDLE_STORES);
        f.do(host.codeChanged, slots.get);
        f.return();
      });
      // What was code and is data now would be stored to the long way for ever.
      const idle = f.let(slots.get.load(SLOTS_IDLE_STORES).add(1));
      f.store(slots.get, idle, SLOTS_IDLE_STORES);
      f.if(idle.eq(IDLE_STORES_LIMIT), () => f.do(host.codeIdle, slots.get));
    },
  );

  /** (hart, virtual address, value, width) -> 0, or 1 after raising a fault; then nothing is written. */
  const store = module.declare('store_slow', ['i32', 'i64', 'i64', 'i32'], 'i32');
  module.define(store, (f, hart, address, value, width) => {
    const index = f.local('i32');
    const access = i32(Access.store);
    f.if(hart.get.load(L.DEBUG_STOPS), () => {
      f.if(f.call(watched, hart.get, address.get, width.get, access), () => f.return(i32(1)));
    });
    f.if(crosses(address.get, width.get), () => {
      const second = f.let(address.get.or(4095).add(1));
      f.if(f.call(dataTranslate, hart.get, address.get, i32(1), access).eq(-1), () => f.return(i32(1)));
      f.if(f.call(dataTranslate, hart.get, second, i32(1), access).eq(-1), () => f.return(i32(1)));
      f.loop((again) => {
        const byte = value.get.shrU(index.get.shl(3).extendU()).and(0xff);
        f.if(f.call(store, hart.get, address.get.add(index.get.extendU()), byte, i32(1)), () => f.return(i32(1)));
        f.set(index, index.get.add(1));
        f.branchIf(again, index.get.ltU(width.get));
      });
      f.return(i32(0));
    });
    const target = f.let(f.call(dataTranslate, hart.get, address.get, width.get, access));
    f.if(target.eq(-1), () => f.return(i32(1)));
    const frame = f.let(f.call(physical.frameOf, hart.get, target, access));
    f.if(frame, () => {
      const offset = f.let(target.wrap().and(4095));
      const at = f.let(frame.or(offset));
      const slots = f.let(physical.decodedPage(hart.get, frame));
      f.if(
        slots,
        () => f.do(invalidate, slots, offset, width.get),
        () => allowHost(f, hart.get, address.get, frame, true),
      );
      const cases: [number, 1 | 2 | 4 | 8][] = [
        [8, 8],
        [4, 4],
        [2, 2],
        [1, 1],
      ];
      for (const [size, bytes] of cases) f.if(width.get.eq(size), () => f.store64Of(bytes, at, value.get));
      f.return(i32(0));
    });
    f.if(f.call(deviceReachable, hart.get, address.get, target, width.get, access).eqz(), () => f.return(i32(1)));
    f.if(
      width.get.eq(8),
      () => {
        f.do(host.mmioStore, hart.get, target.wrap(), i32(4), value.get.wrap());
        f.do(host.mmioStore, hart.get, target.wrap().add(4), i32(4), value.get.shrU(32).wrap());
      },
      () => f.do(host.mmioStore, hart.get, target.wrap(), width.get, value.get.wrap()),
    );
    f.if(hart.get.load(L.MMIO_FAULT), () => {
      f.do(accessFault, hart.get, address.get, access);
      f.return(i32(1));
    });
    f.result(i32(0));
  });

  /**
   * (hart, virtual address, width, access) -> host address for an atomic access, or 0 after raising. It is aligned and in RAM:
   * devices take no atomic accesses. For stores the translated code of those bytes is dropped first.
   */
  const atomic = module.function(
    'atomic_address',
    ['i32', 'i64', 'i32', 'i32'],
    'i32',
    (f, hart, address, width, access) => {
      f.if(address.get.wrap().and(width.get.sub(1)), () => {
        const cause = access.get.shl(1).add(Cause.loadMisaligned - 2);
        f.do(raise, hart.get, cause, address.get);
        f.return(i32(0));
      });
      f.if(hart.get.load(L.DEBUG_STOPS), () => {
        const both = f.let(select(access.get.eq(Access.store), i32(ACCESS_ATOMIC), i32(Access.load)));
        f.if(f.call(watched, hart.get, address.get, width.get, both), () => f.return(i32(0)));
      });
      const target = f.let(f.call(dataTranslate, hart.get, address.get, width.get, access.get));
      f.if(target.eq(-1), () => f.return(i32(0)));
      const frame = f.let(f.call(physical.frameOf, hart.get, target, access.get));
      f.if(frame.eqz(), () => {
        f.do(accessFault, hart.get, address.get, access.get);
        f.return(i32(0));
      });
      const slots = f.let(physical.decodedPage(hart.get, frame));
      const offset = f.let(target.wrap().and(4095));
      f.if(access.get.eq(Access.store).and(slots.ne(0)), () => f.do(invalidate, slots, offset, width.get));
      f.result(frame.or(offset));
    },
  );

  /** (hart, virtual address) -> physical address that stands for a reservation; after `atomic` succeeded for it. */
  const physicalOf = module.function(
    'physical_of',
    ['i32', 'i64', 'i32', 'i32'],
    'i64',
    (f, hart, address, width, access) => {
      f.result(f.call(dataTranslate, hart.get, address.get, width.get, access.get));
    },
  );

  /**
   * (hart, virtual address, 1 where an instruction starts or 0 where one goes on) -> decoded page to run from, or 0 after raising.
   * FETCHED_FRAME is set. Where an instruction goes on, what it returns is only zero or not.
   */
  const fetch = module.declare('fetch_page', ['i32', 'i64', 'i32'], 'i32');

  /**
   * (hart, virtual address, physical address, privilege) -> the crossing page with this one instruction, and behind it the way to
   * the next; or 0 after raising. For pages that PMP does not treat as a whole: each instruction is checked by itself (3.7.1). And for pages
   * with a breakpoint.
   */
  const fetchAlone = module.function(
    'fetch_alone',
    ['i32', 'i64', 'i64', 'i32'],
    'i32',
    (f, hart, address, target, privilege) => {
      const offset = f.let(target.get.wrap().and(4095));
      const frame = f.let(f.call(physical.frameOf, hart.get, target.get, i32(Access.load)));
      const bits = f.local('i32');
      f.set(bits, frame.add(offset).load16U());
      const long = f.let(bits.get.and(3).eq(3));
      f.if(long, () => {
        f.if(
          offset.eq(4094),
          () => {
            f.if(f.call(fetch, hart.get, address.get.add(2), i32(0)).eqz(), () => f.return(i32(0)));
            f.set(bits, bits.get.or(hart.get.load(L.FETCHED_FRAME).load16U().shl(16)));
          },
          () => {
            f.if(f.call(pmp.check, hart.get, target.get.add(2), i32(2), privilege.get).and(PMP_X).eqz(), () => {
              f.do(accessFault, hart.get, address.get.add(2), i32(Access.fetch));
              f.return(i32(0));
            });
            f.set(bits, frame.add(offset).load());
          },
        );
      });
      const page = f.let(hart.get.load(L.CROSSING_PAGE));
      const slot = f.let(decodedSlot(page, offset));
      f.store(hart.get, bits.get, L.CROSSING_BITS);
      f.store(hart.get, i32(0), L.CROSSING_KEY);
      f.do(host.decode, slot, bits.get, i32(1));
      f.store16(slot.add(long.add(1).mul(SLOT_BYTES)), OP_PAGE_END, SLOT_OP);
      f.result(page);
    },
  );

  module.define(fetch, (f, hart, address, starts) => {
    const entry = f.let(fetchEntry(hart.get, address.get));
    const page = f.let(address.get.and(-4096n));
    const tag = f.let(page.or(hart.get.load64(L.FETCH_CONTEXT)));
    const target = f.local('i64');
    f.if(
      entry.load64(L.FETCH_TLB + L.TLB_TAG).eq(tag),
      () =>
        f.set(
          target,
          entry
            .load(L.FETCH_TLB + L.TLB_PAGE)
            .shrU(2)
            .extendU()
            .shl(12),
        ),
      () => {
        const privilege = f.let(hart.get.load(L.PRIVILEGE));
        const found = f.let(f.call(translate, hart.get, address.get, i32(Access.fetch), privilege));
        f.if(found.eq(-1), () => f.return(i32(0)));
        f.set(target, found.and(-4096n));
        const at = target.get.or(address.get.and(4095));
        const allowed = f.let(f.call(pmp.check, hart.get, at, i32(2), privilege));
        f.if(allowed.and(PMP_X).eqz().or(target.get.geU(PHYSICAL_LIMIT)), () => {
          f.do(accessFault, hart.get, address.get, i32(Access.fetch));
          f.return(i32(0));
        });
        f.store(entry, i64(-1), L.FETCH_TLB + L.TLB_READ_TAG);
        f.store(entry, i64(-1), L.FETCH_TLB + L.TLB_TAG);
        f.if(allowed.and(PMP_WHOLE_PAGE), () => {
          f.if(found.wrap().and(SUPERPAGE), () => f.do(noteSuperpage, hart.get, page));
          f.store(entry, tag, L.FETCH_TLB + L.TLB_TAG);
          f.store(entry, target.get.shrU(12).wrap().shl(2), L.FETCH_TLB + L.TLB_PAGE);
        });
      },
    );
    const frame = f.let(f.call(physical.frameOf, hart.get, target.get, i32(Access.load)));
    f.if(frame.eqz(), () => {
      f.do(accessFault, hart.get, address.get, i32(Access.fetch));
      f.return(i32(0));
    });
    f.store(hart.get, frame, L.FETCHED_FRAME);
    const at = f.let(target.get.or(address.get.and(4095)));
    f.if(hart.get.load(L.DEBUG_STOPS).and(L.DEBUG_BREAKPOINTS), () => {
      const breakpoint = f.let(f.call(host.debugFetch, hart.get, address.get.wrap(), address.get.shrU(32).wrap()));
      f.if(breakpoint.ne(DebugFetch.none), () => {
        f.if(starts.get.eqz(), () => f.return(frame));
        f.if(breakpoint.eq(DebugFetch.here), () => {
          f.do(raise, hart.get, i32(CAUSE_DEBUG_STOP), address.get);
          f.return(i32(0));
        });
        f.return(f.call(fetchAlone, hart.get, address.get, at, hart.get.load(L.PRIVILEGE)));
      });
    });
    f.if(entry.load64(L.FETCH_TLB + L.TLB_TAG).ne(tag), () => {
      f.return(f.call(fetchAlone, hart.get, address.get, at, hart.get.load(L.PRIVILEGE)));
    });
    const slots = f.local('i32');
    f.set(slots, physical.decodedPage(hart.get, frame));
    // Without a decoded page the comparison is with what lies at the version's place in the empty page, and its result does not matter.
    f.if(slots.get.eqz().or(physical.isCurrent(hart.get, frame, slots.get).eqz()), () => {
      f.set(slots, f.call(host.codePage, hart.get, frame));
      f.do(physical.writeProtect, hart.get);
    });
    f.store(entry, slots.get, L.FETCH_TLB + L.TLB_ADDEND);
    f.store(entry, tag, L.FETCH_TLB + L.TLB_READ_TAG);
    f.result(slots.get);
  });

  /**
   * (hart, pc) with pc at a page's last halfword and the first half of a 4-byte instruction there: decodes it into the crossing
   * slot. 1, or 0 after raising a fault of its second half.
   */
  const fetchCrossing = module.function('fetch_crossing', ['i32', 'i64', 'i32'], 'i32', (f, hart, pc, slots) => {
    const low = f.let(slots.get.load(SLOTS_FRAME).load16U(4094));
    const next = f.let(f.call(fetch, hart.get, pc.get.add(2), i32(0)));
    f.if(next.eqz(), () => f.return(i32(0)));
    const bits = f.let(low.or(hart.get.load(L.FETCHED_FRAME).load16U().shl(16)));
    const crossing = f.let(hart.get.load(L.CROSSING_PAGE));
    const slot = f.let(decodedSlot(crossing, i32(4094)));
    f.if(hart.get.load(L.CROSSING_KEY).ne(bits), () => {
      f.store(hart.get, bits, L.CROSSING_BITS);
      f.store(hart.get, bits, L.CROSSING_KEY);
      f.do(host.decode, slot, bits, i32(1));
    });
    f.result(i32(1));
  });

  /** (hart, block address, address for tval): raises a store's fault when the cache block can't be accessed (Zicbom 2.5.2). */
  const probe = module.function('probe_block', ['i32', 'i64', 'i64'], undefined, (f, hart, block, address) => {
    const target = f.call(dataTranslate, hart.get, block.get, i32(1), i32(Access.load));
    f.if(target.eq(-1), () => {
      f.store(hart.get, hart.get.load64(L.TRAP_CAUSE).add(2), L.TRAP_CAUSE); // load faults 5 and 13 to store faults 7 and 15
      f.store(hart.get, address.get, L.TRAP_VALUE);
    });
  });

  /** (hart, decoded page, slot) -> bits of the instruction, as an illegal-instruction exception reports them. */
  const instructionBits = module.function('instruction_bits', ['i32', 'i32', 'i32'], 'i64', (f, hart, page, slot) => {
    f.if(page.get.eq(hart.get.load(L.CROSSING_PAGE)), () => f.return(hart.get.load64Of(4, false, L.CROSSING_BITS)));
    const at = f.let(page.get.load(SLOTS_FRAME).add(slot.get.sub(page.get).shrU(2)));
    f.if(at.load16U().and(3).eq(3), () => f.return(at.load64Of(4, false)));
    f.result(at.load64Of(2, false));
  });

  return { load, store, atomic, probe, instructionBits, physicalOf, fetch, fetchCrossing };
}

export type AccessLibrary = ReturnType<typeof defineAccess>;
