import {
  choose,
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Label,
  type Local,
  type ModuleBuilder,
} from '../../execute/wasm/index.ts';
import * as C from '../constants.ts';
import { Access, Privilege, PTE_A, PTE_D, PTE_R, PTE_U, PTE_V, PTE_W, PTE_X, SATP_MODE_SV39 } from '../constants.ts';
import { MENVCFG, MSTATUS, SATP } from '../layout.ts';
import type { CodeWritten } from './access/code-written.ts';
import { defineFaults, type Faults } from './faults.ts';
import type { Physical } from './physical.ts';
import { PMP_R, PMP_W, type Pmp } from './pmp.ts';

/** Low bits of what `translate` returns, beside the physical page. */
export const ALLOWS_LOAD = 1;
export const ALLOWS_STORE = 2;
export const SUPERPAGE = 4;

/** Reserved or not implemented: Svnapot's N, Svpbmt's PBMT, bits 60 to 54. */
const PTE_RESERVED = 0xffc0_0000_0000_0000n;
/** Physical page numbers, in satp and, from bit 10 on, in entries. */
const PPN_MASK = (1n << 44n) - 1n;

/** What a walk reads and writes entries with. */
interface MemoryParts {
  readonly physical: Physical;
  readonly pmp: Pmp;
  readonly codeWritten: CodeWritten;
}

interface Parts extends MemoryParts {
  readonly faults: Faults;
}

/** What is asked, and where the walk has come to. */
interface Walk {
  readonly hart: I32;
  readonly address: I64;
  readonly access: I32;
  readonly privilege: I32;
  /** The entry that was read last, and its physical address. */
  readonly entry: Local<'i64'>;
  readonly entryAddress: Local<'i64'>;
  /** Of the entry's page in the address: 12 for pages of 4 KiB. */
  readonly shift: Local<'i64'>;
  /** Branching there raises a page fault. */
  readonly fault: Label;
}

/**
 * Address translation (privileged spec 12.3.2, 12.4, 12.5). `translate` is (hart, virtual address, access, privilege)
 * -> physical page | ALLOWS_* | SUPERPAGE, or -1 after raising a fault. The permission asked for is given when it
 * returns. A or D not set is a page fault (Svade), or with menvcfg.ADUE is set in the entry (Svadu).
 */
export function defineTranslate(module: ModuleBuilder, memory: MemoryParts) {
  const faults = defineFaults(module);
  const parts = { ...memory, faults };
  const translate = module.function(
    'translate',
    ['i32', 'i64', 'i32', 'i32'],
    'i64',
    (f, { get: hart }, { get: address }, { get: access }, { get: privilege }) => {
      const satp = f.let(hart.load64(SATP));
      const mode = f.let(satp.shrU(60).wrap());
      f.if(mode.eqz().or(privilege.eq(Privilege.M)), () => returnUntranslated(f, faults, hart, address, access));
      const entry = f.local('i64');
      const entryAddress = f.local('i64');
      const shift = f.local('i64');
      const table = f.local('i64');
      f.block((fault) => {
        const walk = { hart, address, access, privilege, entry, entryAddress, shift, fault };
        begin(f, walk, mode);
        f.set(table, satp.and(PPN_MASK).shl(12));
        descend(f, parts, walk, table);
        const readable = readableFor(f, walk);
        const page = pageOfLeaf(f, walk);
        accessed(f, parts, walk);
        returnLeaf(f, walk, page, readable);
      });
      f.do(faults.pageFault, hart, address, access);
      f.result(i64(-1));
    },
  );
  return { ...faults, translate };
}

export type Translate = ReturnType<typeof defineTranslate>;

/** Physical addresses have 56 bits. */
function returnUntranslated(f: FunctionBuilder, { accessFault }: Faults, hart: I32, address: I64, access: I32): void {
  f.if(address.shrU(56).ne(0), () => {
    f.do(accessFault, hart, address, access);
    f.return(i64(-1));
  });
  f.return(address.and(-4096n).or(ALLOWS_LOAD | ALLOWS_STORE));
}

/** An address is the sign extension of what the mode translates: 39 bits, or 48. */
function begin(f: FunctionBuilder, { address, shift, fault }: Walk, mode: I32): void {
  f.if(
    mode.eq(SATP_MODE_SV39),
    () => {
      f.branchIf(fault, address.shl(25).shrS(25).ne(address));
      f.set(shift, i64(30));
    },
    () => {
      f.branchIf(fault, address.shl(16).shrS(16).ne(address));
      f.set(shift, i64(39));
    },
  );
}

/** From the table down to the leaf, which is in `entry` then. */
function descend(f: FunctionBuilder, parts: Parts, walk: Walk, table: Local<'i64'>): void {
  const { address, entry, entryAddress, shift, fault } = walk;
  f.loop((again) => {
    f.set(entryAddress, table.get.add(address.shrU(shift.get).and(511).shl(3)));
    readEntry(f, parts, walk);
    f.branchIf(fault, entry.get.and(PTE_V).eqz().or(entry.get.and(PTE_RESERVED).ne(0)));
    f.branchIf(fault, entry.get.and(PTE_R | PTE_W).eq(PTE_W));
    f.if(entry.get.and(PTE_R | PTE_X).eqz(), () => {
      const strange = entry.get.and(PTE_A | PTE_D | PTE_U).ne(0);
      f.branchIf(fault, strange.or(shift.get.eq(12)));
      f.set(table, pageOf(entry.get));
      f.set(shift, shift.get.sub(9));
      f.branch(again);
    });
  });
}

/** The walk reads as S-mode does. What it may not read is an access fault of what was asked. */
function readEntry(f: FunctionBuilder, parts: Parts, walk: Walk): void {
  const { entry, entryAddress } = walk;
  const frame = entryFrame(f, parts, walk, Access.load);
  f.set(entry, frame.add(entryAddress.get.wrap().and(4095)).load64());
}

/** The frame that the entry lies in, ready for a load or a store of the walk; else the function returns. */
function entryFrame(
  f: FunctionBuilder,
  { physical, pmp, faults }: Parts,
  { hart, address, access, entryAddress }: Walk,
  kind: typeof Access.load | typeof Access.store,
): I32 {
  const refuse = () => {
    f.do(faults.accessFault, hart, address, access);
    f.return(i64(-1));
  };
  const allowed = f.call(pmp.check, hart, entryAddress.get, i32(8), i32(Privilege.S));
  f.if(allowed.and(kind === Access.load ? PMP_R : PMP_W).eqz(), refuse);
  const frame = f.let(f.call(physical.frameOf, hart, entryAddress.get, i32(kind)));
  f.if(frame.eqz(), refuse);
  return frame;
}

/** The physical address of the page that an entry names. */
function pageOf(entry: I64): I64 {
  return entry.shrU(10).and(PPN_MASK).shl(12);
}

/** A fault when the leaf does not allow this privilege the access; else whether it allows loads. */
function readableFor(f: FunctionBuilder, walk: Walk): I32 {
  const { hart, access, privilege, entry, fault } = walk;
  const status = f.let(hart.load64(MSTATUS));
  const user = f.let(entry.get.and(PTE_U).ne(0));
  const userMode = f.let(privilege.eq(Privilege.U));
  const sum = status.and(C.MSTATUS_SUM).ne(0).and(access.ne(Access.fetch));
  f.branchIf(fault, user.eqz().and(userMode).or(user.and(userMode.eqz()).and(sum.eqz())));
  const executable = f.let(entry.get.and(PTE_X).ne(0));
  const mxr = status.and(C.MSTATUS_MXR).ne(0);
  const readable = f.let(entry.get.and(PTE_R).ne(0).or(mxr.and(executable)));
  f.branchIf(fault, access.eq(Access.fetch).and(executable.eqz()));
  f.branchIf(fault, access.eq(Access.load).and(readable.eqz()));
  f.branchIf(fault, access.eq(Access.store).and(entry.get.and(PTE_W).eqz()));
  return readable;
}

/** The physical page; a fault when it is a misaligned superpage. */
function pageOfLeaf(f: FunctionBuilder, { address, entry, shift, fault }: Walk): I64 {
  const offsetMask = f.let(i64(1).shl(shift.get).sub(1));
  const base = f.let(pageOf(entry.get));
  f.branchIf(fault, base.and(offsetMask).ne(0));
  return f.let(base.or(address.and(offsetMask)).and(-4096n));
}

/**
 * 12.3.2 step 9: A, and for a store D, are set in the entry, or there is a fault. It is what a store to the entry is:
 * the frame becomes this machine's own and counts as written, and what was decoded there is dropped. No other hart runs
 * meanwhile, so the entry in memory is the one that was read.
 */
function accessed(f: FunctionBuilder, parts: Parts, walk: Walk): void {
  const { physical, codeWritten } = parts;
  const { hart, access, entry, entryAddress, fault } = walk;
  const needed = choose(access.eq(Access.store), i64(PTE_A | PTE_D), i64(PTE_A));
  const missing = f.let(entry.get.not().and(needed));
  f.if(missing.ne(0), () => {
    f.branchIf(fault, hart.load64(MENVCFG).and(C.ENVCFG_ADUE).eqz());
    const frame = entryFrame(f, parts, walk, Access.store);
    const offset = f.let(entryAddress.get.wrap().and(4095));
    const slots = f.let(physical.decodedPage(hart, frame));
    f.if(slots, () => f.do(codeWritten, slots, offset, i32(8)));
    f.set(entry, entry.get.or(missing));
    f.store(frame.add(offset), entry.get, 0);
  });
}

function returnLeaf(f: FunctionBuilder, { entry, shift }: Walk, page: I64, readable: I32): void {
  const writable = entry.get.and(PTE_W | PTE_D).eq(PTE_W | PTE_D);
  const flags = readable.or(writable.shl(1)).or(shift.get.ne(12).shl(2));
  f.return(page.or(flags.extendU()));
}
