import { type FunctionBuilder, type I32, i32, type ModuleBuilder } from '../../execute/wasm/index.ts';
import { FRAME_BYTES, FRAME_PRESENT, FRAME_WRITABLE, LEAF_SHARED, RAM_BASE } from '../../memory/layout.ts';
import { Access } from '../constants.ts';
import { SLOTS_VERSION } from '../decoded-slots.ts';
import {
  DATA_TLB,
  DATA_TLB_ENTRIES,
  FETCH_TLB,
  FETCH_TLB_ENTRIES,
  FRAME_TABLE,
  FRAME_VERSIONS,
  MAP_ROOT,
  RAM_PAGES,
  TLB_ENTRY_BYTES,
  TLB_PAGE,
  TLB_READ_TAG,
  TLB_WRITE_TAG,
} from '../layout.ts';
import type { DeclaredImports } from './imports.ts';

const PAGE_OFFSET = FRAME_BYTES - 1;

const ALL_TLBS_END = FETCH_TLB + FETCH_TLB_ENTRIES * TLB_ENTRY_BYTES;

/**
 * Goes through the TLBs up to an offset in the hart. They lie one behind the other, that for data first, and have
 * entries alike.
 */
function eachTranslation(f: FunctionBuilder, hart: I32, end: number, visit: (entry: I32) => void): void {
  const entry = f.local('i32');
  const last = f.let(hart.add(end));
  f.set(entry, hart.add(DATA_TLB));
  f.loop((again) => {
    visit(entry.get);
    f.set(entry, entry.get.add(TLB_ENTRY_BYTES));
    f.branchIf(again, entry.get.ltU(last));
  });
}

/** The host half of a translation. */
function revoke(f: FunctionBuilder, entry: I32): void {
  f.store(entry, i32(-1).extendS(), TLB_READ_TAG);
  f.store(entry, i32(-1).extendS(), TLB_WRITE_TAG);
}

/** Guest-physical memory to frames. */
export function definePhysical(module: ModuleBuilder, host: DeclaredImports) {
  /** (hart, physical address, access) -> host address of the frame, ready for that access; 0 when it is no RAM. */
  const frameOf = module.function('frame_of', ['i32', 'i64', 'i32'], 'i32', (f, hart, address, access) => {
    const page = f.let(address.get.shrU(12).sub(RAM_BASE / FRAME_BYTES));
    f.if(page.geU(hart.get.load(RAM_PAGES).extendU()), () => f.return(i32(0)));
    const index = f.let(page.wrap());
    const leaf = f.let(hart.get.load(MAP_ROOT).add(index.shrU(10).shl(2)).load());
    const entry = f.local('i32');
    f.if(leaf, () => f.set(entry, leaf.and(~PAGE_OFFSET).add(index.and(1023).shl(2)).load()));
    f.if(leaf.and(LEAF_SHARED), () => f.set(entry, entry.get.and(~FRAME_WRITABLE)));
    const needed = f.let(access.get.eq(Access.store).mul(FRAME_WRITABLE).or(FRAME_PRESENT));
    f.if(entry.get.and(needed).ne(needed), () => f.set(entry, f.call(host.frameFault, hart.get, index, access.get)));
    f.result(entry.get.and(~PAGE_OFFSET));
  });

  /** (hart, frame) -> the frame's decoded page, or 0. */
  const decodedPage = (hart: I32, frame: I32): I32 => hart.load(FRAME_TABLE).add(frame.shrU(12).shl(2)).load();

  /**
   * (hart, frame, its decoded page) -> whether that is of what the frame holds now: other threads may have written it
   * meanwhile.
   */
  const isCurrent = (hart: I32, frame: I32, decoded: I32): I32 =>
    hart.load(FRAME_VERSIONS).add(frame.shrU(12).shl(2)).load().eq(decoded.load(SLOTS_VERSION));

  /** Write-protects every data translation in its host half, so that stores to what became code are seen. */
  const writeProtect = module.function('write_protect', ['i32'], undefined, (f, hart) => {
    eachTranslation(f, hart.get, DATA_TLB + DATA_TLB_ENTRIES * TLB_ENTRY_BYTES, (entry) => {
      f.store(entry, i32(-1).extendS(), TLB_WRITE_TAG);
    });
  });

  /**
   * (hart, physical page number): another frame came to stand behind the page. The host half of every translation of it
   * is revoked; the guest half stays, so that no page walk comes of it.
   */
  const revokePage = module.function('revoke_page', ['i32', 'i32'], undefined, (f, hart, page) => {
    eachTranslation(f, hart.get, ALL_TLBS_END, (entry) => {
      f.if(entry.load(TLB_PAGE).shrU(2).eq(page.get), () => revoke(f, entry));
    });
  });

  /** (hart): the host half of every translation is revoked. */
  const revokeAll = module.function('revoke_all', ['i32'], undefined, (f, hart) => {
    eachTranslation(f, hart.get, ALL_TLBS_END, (entry) => revoke(f, entry));
  });

  return { frameOf, decodedPage, isCurrent, writeProtect, revokePage, revokeAll };
}

export type Physical = ReturnType<typeof definePhysical>;
