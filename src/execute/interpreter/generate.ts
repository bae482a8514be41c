import { invariant } from '../../common/invariant.ts';
import { CAUSE_DEBUG_STOP, Exit } from '../../hart/constants.ts';
import {
  besideSlot,
  decodedSlot,
  FIRST_INTERPRETED_EXIT,
  OP_CROSSING,
  OP_PAGE_END,
  OP_REGION,
  OP_UNDECODED,
  RegionExit,
  SLOT_BYTES,
  SLOT_OP,
  SLOTS_BYTES,
  SLOTS_FRAME,
  SLOTS_REGION,
  SLOTS_REPLACED_OP,
} from '../../hart/decoded-slots.ts';
import * as L from '../../hart/layout.ts';
import { defineHart, type HartLibrary, type HartOptions } from '../../hart/library/index.ts';
import { fetchEntry } from '../../hart/library/tlb.ts';
import {
  type FunctionBuilder,
  type FunctionType,
  type I64,
  i32,
  i64,
  type Label,
  type Local,
  ModuleBuilder,
  select,
} from '../wasm/index.ts';
import { decodeByTable } from './decode-table.ts';
import { type Loop, noteHeat, SlotEmitter } from './emitter.ts';
import { HANDLERS, OP_ILLEGAL } from './handlers.ts';

export interface InterpreterOptions extends HartOptions {
  readonly memory: { readonly initialPages: number; readonly maximumPages: number; readonly shared: boolean };
}

/** A region's parameters: hart, virtual address of its page, the page as it is decoded. */
export const REGION_PARAMETERS = ['i32', 'i64', 'i32'] as const;

/** What the module exports. Addresses are numbers, 64-bit values bigint. */
export interface InterpreterExports {
  /** Runs the hart until there is a reason to return (Exit). */
  run(hart: number): number;
  /** Runs one instruction, or up to STOP_PC without running it. */
  step(hart: number): number;
  time(hart: number): bigint;
  timer_update(hart: number): void;
  update_contexts(hart: number): void;
  tlb_flush_all(hart: number): void;
  write_protect(hart: number): void;
  /** Revokes the host half of every translation of this physical page (number). */
  revoke_page(hart: number, page: number): void;
  /** The same of all translations. */
  revoke_all(hart: number): void;
  pmp_updated(hart: number): void;
  csr_read(hart: number, address: number, writes: number): bigint;
  csr_write(hart: number, address: number, value: bigint): number;
  translate(hart: number, address: bigint, access: number, privilege: number): bigint;
  hash(address: number, bytes: number, seed: bigint): bigint;
  hash_leaf(leaf: number, page: number, count: number): bigint;
}

/** The interpreter as a WebAssembly module: the hart's library and the loops over decoded slots. */
export function generateInterpreter(options: InterpreterOptions): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder(options.memory);
  module.importTable();
  const library = defineHart(module, options);
  const run = defineLoop(module, library, 'run', false);
  const step = defineLoop(module, library, 'step', true);
  const { tlb, timer, physical, pmp, csr } = library;
  const exported = [
    run,
    step,
    timer.time,
    timer.update,
    tlb.updateContexts,
    tlb.flushAll,
    physical.writeProtect,
    physical.revokePage,
    physical.revokeAll,
    pmp.updated,
    csr.csrRead,
    csr.csrWrite,
    library.trap.translate,
    library.digest.hash,
    library.digest.hashLeaf,
  ];
  for (const callable of exported) module.export(callable);
  return module.finish();
}

function defineLoop(module: ModuleBuilder, library: HartLibrary, name: string, stepping: boolean) {
  const regionType = module.type(REGION_PARAMETERS, 'i32');
  return module.function(name, ['i32'], 'i32', (f, hart) => {
    const loop = {
      hart,
      library,
      slot: f.local('i32'),
      page: f.local('i32'),
      pageAddress: f.local('i64'),
      retired: f.local('i64'),
      target: f.local('i64'),
      exitReason: f.local('i32'),
    };
    /** Stepping: 0 until an instruction ran; then the loop returns. */
    const ran = f.local('i32');
    const regions = { type: regionType, op: f.local('i32'), skipNext: f.local('i32'), skipSlot: f.local('i32') };
    begin(f, loop, library);
    f.block((exit) => {
      f.loop((outer) => {
        f.block((event) => {
          f.block((counted) => {
            f.block((trap) => {
              findPage(f, loop, library, trap);
              if (!stepping) {
                f.set(regions.skipSlot, i32(0));
                f.if(
                  regions.skipNext.get,
                  () => f.scope(() => skipOne(f, loop, regions)),
                  () => f.scope(() => noteHeat(f, loop, loop.slot.get)),
                );
              }
              f.loop((dispatch) => {
                if (stepping) stopBefore(f, loop, ran, exit);
                f.block((jump) => {
                  const labels = { dispatch, jump, counted, event, trap, exit };
                  f.set(loop.retired, loop.retired.get.add(1));
                  dispatchSlot(f, { ...loop, labels }, regions, stepping ? ran : undefined);
                });
                f.branch(outer);
              });
            });
            // The instruction that raised did not retire.
            f.set(loop.retired, loop.retired.get.sub(1));
            f.if(hart.get.load(L.TRAP_CAUSE).eq(CAUSE_DEBUG_STOP), () => {
              f.store(hart.get, i32(0), L.TRAP_PENDING);
              f.set(loop.exitReason, i32(Exit.debug));
              f.branch(exit);
            });
            f.do(library.trap.takeException, hart.get);
            f.set(loop.target, hart.get.load64(L.PC));
          });
          f.scope(() => {
            const branches = f.let(hart.get.load64(L.BRANCHES).add(1));
            f.store(hart.get, branches, L.BRANCHES);
            f.branchIf(outer, branches.ltU(hart.get.load64(L.STOP_BRANCHES)));
          });
          f.store(hart.get, loop.target.get, L.PC);
          f.store(hart.get, i64(0), L.STOPPED_IN_REGION);
        });
        f.set(loop.exitReason, i32(Exit.slice));
        f.branchIf(exit, f.call(library.trap.event, hart.get));
        f.set(loop.target, hart.get.load64(L.PC));
        f.branch(outer);
      });
    });
    f.store(hart.get, loop.retired.get, L.INSTRET);
    f.result(loop.exitReason.get);
  });
}

type LoopState = Omit<Loop, 'labels'>;

/** Entry: a waiting hart goes on only when something is pending; a transfer whose event is due has it handled first. */
function begin(f: FunctionBuilder, loop: LoopState, library: HartLibrary): void {
  const hart = loop.hart.get;
  f.set(loop.retired, hart.load64(L.INSTRET));
  f.if(hart.load(L.WAITING), () => {
    const pending = hart.load64(L.MIP_LINES).or(hart.load64(L.MIP_SOFTWARE)).and(hart.load64(L.MIE));
    f.if(pending.eqz(), () => f.return(i32(Exit.waiting)));
    f.store(hart, i32(0), L.WAITING);
    f.store(hart, i32(1), L.EVENT_PENDING);
  });
  f.if(hart.load(L.EVENT_PENDING), () => {
    f.if(f.call(library.trap.event, hart), () => f.return(i32(Exit.slice)));
  });
  f.set(loop.target, hart.load64(L.PC));
}

/** The decoded page of `target`, from the fetch TLB or the long way. */
function findPage(f: FunctionBuilder, loop: LoopState, library: HartLibrary, trap: Label): void {
  const hart = loop.hart.get;
  const target = loop.target.get;
  f.scope(() => {
    const entry = f.let(fetchEntry(hart, target));
    const base = f.let(target.and(-4096n));
    f.set(loop.pageAddress, base);
    f.if(
      entry.load64(L.FETCH_TLB + L.TLB_READ_TAG).eq(base.or(hart.load64(L.FETCH_CONTEXT))),
      () => f.set(loop.page, entry.load(L.FETCH_TLB + L.TLB_ADDEND)),
      () => {
        f.set(loop.page, f.call(library.access.fetch, hart, target, i32(1)));
        f.if(loop.page.get.eqz(), () => {
          f.store(hart, target, L.PC);
          f.set(loop.retired, loop.retired.get.add(1)); // taken back where the exception is
          f.branch(trap);
        });
      },
    );
    f.set(loop.slot, decodedSlot(loop.page.get, target.wrap()));
  });
}

/** Stepping: return before this slot if an instruction ran already or it is STOP_PC. */
function stopBefore(f: FunctionBuilder, loop: LoopState, ran: Local<'i32'>, exit: Label): void {
  const hart = loop.hart.get;
  const pc = slotAddress(loop);
  const stop = hart.load64(L.STOP_PC);
  const single = stop.eq(-1).and(ran.get);
  f.if(single.or(pc.eq(stop)), () => {
    f.store(hart, slotAddress(loop), L.PC);
    f.set(loop.exitReason, i32(Exit.stepped));
    f.branch(exit);
  });
  f.set(ran, i32(1));
}

function slotAddress(loop: LoopState): I64 {
  return loop.pageAddress.get.add(loop.slot.get.sub(loop.page.get).shrU(2).extendU());
}

/** One case for each handler, reached by the slot's op. Cases end by branching to one of the loop's labels. */
function dispatchSlot(f: FunctionBuilder, loop: Loop, regions: Regions, ran: Local<'i32'> | undefined): void {
  f.set(regions.op, loop.slot.get.load16U(SLOT_OP));
  f.loop((redispatch) => dispatchOp(f, loop, regions, redispatch, ran));
}

interface Regions {
  readonly type: FunctionType<'i32'>;
  /** The handler that runs. */
  readonly op: Local<'i32'>;
  /** 1: the slot that is found next is interpreted. */
  readonly skipNext: Local<'i32'>;
  /** The slot for which that holds. */
  readonly skipSlot: Local<'i32'>;
}

/**
 * After a region asked for it, the slot is interpreted even if a region starts there. What comes behind it should be
 * translated too, so the visit counts there.
 */
function skipOne(f: FunctionBuilder, loop: LoopState, regions: Regions): void {
  const { slot, page } = loop;
  f.set(regions.skipSlot, slot.get);
  f.set(regions.skipNext, i32(0));
  const offset = f.let(slot.get.sub(page.get).shrU(2));
  const low = page.get.load(SLOTS_FRAME).add(offset).load16U();
  const next = f.let(slot.get.add(select(low.and(3).eq(3), i32(2 * SLOT_BYTES), i32(SLOT_BYTES))));
  f.if(next.sub(page.get).ltU(SLOTS_BYTES), () => noteHeat(f, loop, next));
}

/** Runs the region that starts at the slot, or the instruction that it replaced there. */
function runRegion(f: FunctionBuilder, loop: Loop, regions: Regions, redispatch: Label, stepping: boolean): void {
  const { slot, page, hart, retired, labels } = loop;
  const at = f.let(besideSlot(page.get, slot.get));
  const replaced = () => {
    f.set(regions.skipSlot, i32(0));
    f.set(regions.op, at.load16U(SLOTS_REPLACED_OP));
    f.branch(redispatch);
  };
  if (stepping) {
    replaced();
    return;
  }
  f.if(slot.get.eq(regions.skipSlot.get), replaced);
  f.store(hart.get, retired.get.sub(1), L.INSTRET);
  const number = at.load16U(SLOTS_REGION);
  const exit = f.let(f.callIndirect(regions.type, number, hart.get, loop.pageAddress.get, page.get));
  const before = f.let(retired.get.sub(1));
  f.set(retired, hart.get.load64(L.INSTRET));
  const done = hart.get.load64(L.TRANSLATED_INSTRUCTIONS).add(retired.get.sub(before));
  f.store(hart.get, done, L.TRANSLATED_INSTRUCTIONS);
  const counter = f.let(hart.get.add(exit.shl(3)));
  f.store(counter, counter.load64(L.REGION_EXIT_COUNTS).add(1), L.REGION_EXIT_COUNTS);
  f.if(exit.eq(RegionExit.event), () => {
    f.store(hart.get, i64(1), L.STOPPED_IN_REGION);
    f.branch(labels.event);
  });
  f.set(regions.skipNext, exit.geU(FIRST_INTERPRETED_EXIT));
  f.set(loop.target, hart.get.load64(L.PC));
  f.branch(labels.jump);
}

function dispatchOp(
  f: FunctionBuilder,
  loop: Loop,
  regions: Regions,
  redispatch: Label,
  ran: Local<'i32'> | undefined,
): void {
  const cases: (() => void)[] = [];
  cases[OP_UNDECODED] = () => undecoded(f, loop, ran);
  cases[OP_PAGE_END] = () => {
    f.set(loop.retired, loop.retired.get.sub(1));
    f.set(loop.target, slotAddress(loop));
    f.branch(loop.labels.jump);
  };
  cases[OP_CROSSING] = () => crossing(f, loop, ran);
  cases[OP_REGION] = () => runRegion(f, loop, regions, redispatch, ran !== undefined);
  for (const handler of HANDLERS) {
    cases[handler.op] = () => {
      const emitter = new SlotEmitter(f, loop, handler);
      handler.instruction.emit(emitter);
      f.set(loop.slot, loop.slot.get.add((handler.length / 2) * SLOT_BYTES));
      f.branch(loop.labels.dispatch);
    };
  }
  const [anyHandler] = HANDLERS;
  invariant(anyHandler, 'there are handlers');
  const illegalHandler = { ...anyHandler, op: OP_ILLEGAL };
  cases[OP_ILLEGAL] = () => new SlotEmitter(f, loop, illegalHandler).illegal();
  f.switch(regions.op.get, cases, () => f.unreachable());
}

/** Forgets that this slot was run: it is dispatched again and must not stop a stepping loop. */
function again(f: FunctionBuilder, loop: Loop, ran: Local<'i32'> | undefined): void {
  f.set(loop.retired, loop.retired.get.sub(1));
  if (ran) f.set(ran, i32(0));
  f.branch(loop.labels.dispatch);
}

function undecoded(f: FunctionBuilder, loop: Loop, ran: Local<'i32'> | undefined): void {
  const { page, slot, library } = loop;
  const offset = f.let(slot.get.sub(page.get).shrU(2));
  const at = f.let(page.get.load(SLOTS_FRAME).add(offset));
  const low = f.let(at.load16U());
  const long = f.let(low.and(3).eq(3));
  f.if(
    long.and(offset.eq(4094)),
    () => f.store16(slot.get, OP_CROSSING, SLOT_OP),
    () => {
      const bits = f.temporary('i32');
      f.set(bits, low);
      f.if(long, () => f.set(bits, at.load()));
      decodeByTable(f, loop.hart.get.load(L.DECODE_TABLE), slot.get, bits.get, () =>
        f.do(library.host.decode, slot.get, bits.get, i32(0)),
      );
    },
  );
  again(f, loop, ran);
}

/**
 * A 4-byte instruction across two pages runs from the crossing slot, which stands at the same offset of its own page.
 */
function crossing(f: FunctionBuilder, loop: Loop, ran: Local<'i32'> | undefined): void {
  const { page, slot, library, labels } = loop;
  const hart = loop.hart.get;
  const fetched = f.call(library.access.fetchCrossing, hart, slotAddress(loop), page.get);
  f.if(fetched.eqz(), () => {
    f.store(hart, slotAddress(loop), L.PC);
    f.branch(labels.trap);
  });
  f.set(page, hart.load(L.CROSSING_PAGE));
  f.set(slot, decodedSlot(page.get, i32(4094)));
  again(f, loop, ran);
}
