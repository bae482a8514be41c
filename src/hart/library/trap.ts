import { choose, type I64, i32, i64, type ModuleBuilder, select } from '../../execute/wasm/index.ts';
import * as C from '../constants.ts';
import * as L from '../layout.ts';
import type { Timer } from './timer.ts';
import type { Tlb } from './tlb.ts';
import type { Translate } from './translate.ts';

const INTERRUPT = 1n << 63n;
/** Interrupts in order of priority, highest first (privileged spec 3.1.9). */
const PRIORITY = [11, 3, 7, 9, 1, 5];

/** Exceptions, interrupts and the returns from them (privileged spec 3.1.6, 3.1.7, 3.3.2, 12.1). */
export function defineTrap(module: ModuleBuilder, timer: Timer, tlb: Tlb, translate: Translate) {
  /** (hart, cause with the interrupt bit, trap value): PC becomes the handler's address. */
  const enter = module.function('trap_enter', ['i32', 'i64', 'i64'], undefined, (f, hart, cause, value) => {
    const code = f.let(cause.get.and(63));
    const interrupt = f.let(cause.get.shrU(63));
    const privilege = f.let(hart.get.load64(L.PRIVILEGE));
    const status = f.let(hart.get.load64(L.MSTATUS));
    const delegation = choose(interrupt.ne(0), hart.get.load64(L.MIDELEG), hart.get.load64(L.MEDELEG));
    const toS = delegation.shrU(code).and(1).ne(0).and(privilege.leU(C.Privilege.S));
    const handler = (vector: I64): I64 => {
      const base = vector.and(~3n);
      return select(vector.and(1).and(interrupt).ne(0), base.add(code.shl(2)), base);
    };
    f.if(
      toS,
      () => {
        f.store(hart.get, cause.get, L.SCAUSE);
        f.store(hart.get, hart.get.load64(L.PC), L.SEPC);
        f.store(hart.get, value.get, L.STVAL);
        const cleared = status.and(~(C.MSTATUS_SPIE | C.MSTATUS_SPP | C.MSTATUS_SIE));
        const spie = status.and(C.MSTATUS_SIE).shl(4);
        f.store(hart.get, cleared.or(spie).or(privilege.and(1).shl(8)), L.MSTATUS);
        f.store(hart.get, i64(C.Privilege.S), L.PRIVILEGE);
        f.store(hart.get, handler(f.let(hart.get.load64(L.STVEC))), L.PC);
      },
      () => {
        f.store(hart.get, cause.get, L.MCAUSE);
        f.store(hart.get, hart.get.load64(L.PC), L.MEPC);
        f.store(hart.get, value.get, L.MTVAL);
        const cleared = status.and(~(C.MSTATUS_MPIE | C.MSTATUS_MPP | C.MSTATUS_MIE));
        const mpie = status.and(C.MSTATUS_MIE).shl(4);
        f.store(hart.get, cleared.or(mpie).or(privilege.shl(11)), L.MSTATUS);
        f.store(hart.get, i64(C.Privilege.M), L.PRIVILEGE);
        f.store(hart.get, handler(f.let(hart.get.load64(L.MTVEC))), L.PC);
      },
    );
    f.do(tlb.updateContexts, hart.get);
  });

  /** Takes the exception that was raised; PC holds the address of the instruction. */
  const takeException = module.function('trap_take_exception', ['i32'], undefined, (f, hart) => {
    f.store(hart.get, i32(0), L.TRAP_PENDING);
    f.do(enter, hart.get, hart.get.load64(L.TRAP_CAUSE), hart.get.load64(L.TRAP_VALUE));
  });

  /** Takes the interrupt of highest priority that is pending and enabled at PC; 1 if there was one. */
  const takeInterrupt = module.function('trap_take_interrupt', ['i32'], 'i32', (f, hart) => {
    const pending = f.let(hart.get.load64(L.MIP_LINES).or(hart.get.load64(L.MIP_SOFTWARE)).and(hart.get.load64(L.MIE)));
    f.if(pending.eqz(), () => f.return(i32(0)));
    const privilege = f.let(hart.get.load(L.PRIVILEGE));
    const status = f.let(hart.get.load64(L.MSTATUS));
    const delegated = f.let(hart.get.load64(L.MIDELEG));
    const enabled = f.local('i64');
    const mEnabled = privilege.ltU(C.Privilege.M).or(status.and(C.MSTATUS_MIE).ne(0));
    f.if(mEnabled, () => f.set(enabled, pending.and(delegated.not())));
    const sEnabled = privilege.eqz().or(privilege.eq(C.Privilege.S).and(status.and(C.MSTATUS_SIE).ne(0)));
    f.if(enabled.get.eqz().and(sEnabled), () => f.set(enabled, pending.and(delegated)));
    for (const code of PRIORITY) {
      f.if(enabled.get.and(1n << BigInt(code)).ne(0), () => {
        f.do(enter, hart.get, i64(INTERRUPT | BigInt(code)), i64(0));
        f.return(i32(1));
      });
    }
    f.result(i32(0));
  });

  /**
   * At a counted transfer, with PC at its target, when BRANCHES reached STOP_BRANCHES: 1 when the run loop has to
   * return, 0 to go on at PC (an interrupt may have been taken).
   */
  const event = module.function('event', ['i32'], 'i32', (f, hart) => {
    f.loop((again) => {
      f.store(hart.get, i32(0), L.EVENT_PENDING);
      f.store(hart.get, i32(0), L.LINES_CHANGED);
      f.do(timer.update, hart.get);
      const ended = hart.get.load64(L.BRANCHES).geU(hart.get.load64(L.SLICE_END));
      f.if(ended.or(hart.get.load(L.EXIT_REQUEST)), () => {
        f.store(hart.get, i32(1), L.EVENT_PENDING);
        f.return(i32(1));
      });
      f.if(f.call(takeInterrupt, hart.get), () => {
        f.store(hart.get, hart.get.load64(L.BRANCHES).add(1), L.BRANCHES);
        f.branchIf(again, hart.get.load64(L.BRANCHES).geU(hart.get.load64(L.STOP_BRANCHES)));
      });
    });
    f.result(i32(0));
  });

  /** Makes the next counted transfer look for interrupts, if any is pending and not masked by mie. */
  const lookSoon = module.function('interrupts_soon', ['i32'], undefined, (f, hart) => {
    const pending = hart.get.load64(L.MIP_LINES).or(hart.get.load64(L.MIP_SOFTWARE)).and(hart.get.load64(L.MIE));
    f.if(pending.ne(0), () => {
      f.store(hart.get, i32(1), L.LINES_CHANGED);
      f.store(hart.get, i64(0), L.STOP_BRANCHES);
    });
  });

  /** 1: done, PC is the target. 0: illegal here. */
  const mret = module.function('mret', ['i32'], 'i32', (f, hart) => {
    f.if(hart.get.load(L.PRIVILEGE).ne(C.Privilege.M), () => f.return(i32(0)));
    const status = f.let(hart.get.load64(L.MSTATUS));
    const previous = f.let(status.shrU(11).and(3));
    const kept = status.and(~(C.MSTATUS_MIE | C.MSTATUS_MPP));
    const restored = f.let(kept.or(status.and(C.MSTATUS_MPIE).shrU(4)).or(C.MSTATUS_MPIE));
    const leavesM = previous.ne(C.Privilege.M);
    f.store(hart.get, select(leavesM, restored.and(~C.MSTATUS_MPRV), restored), L.MSTATUS);
    f.store(hart.get, previous, L.PRIVILEGE);
    f.store(hart.get, hart.get.load64(L.MEPC), L.PC);
    f.do(tlb.updateContexts, hart.get);
    f.do(lookSoon, hart.get);
    f.result(i32(1));
  });

  const sret = module.function('sret', ['i32'], 'i32', (f, hart) => {
    const status = f.let(hart.get.load64(L.MSTATUS));
    const privilege = f.let(hart.get.load(L.PRIVILEGE));
    f.if(privilege.ltU(C.Privilege.S), () => f.return(i32(0)));
    f.if(privilege.eq(C.Privilege.S).and(status.and(C.MSTATUS_TSR).ne(0)), () => f.return(i32(0)));
    const previous = f.let(status.shrU(8).and(1));
    const kept = status.and(~(C.MSTATUS_SIE | C.MSTATUS_SPP | C.MSTATUS_MPRV));
    f.store(hart.get, kept.or(status.and(C.MSTATUS_SPIE).shrU(4)).or(C.MSTATUS_SPIE), L.MSTATUS);
    f.store(hart.get, previous, L.PRIVILEGE);
    f.store(hart.get, hart.get.load64(L.SEPC), L.PC);
    f.do(tlb.updateContexts, hart.get);
    f.do(lookSoon, hart.get);
    f.result(i32(1));
  });

  /** 0: go on after the instruction; 1: wait for an interrupt; 2: illegal here (privileged spec 3.3.3). */
  const wfi = module.function('wfi', ['i32'], 'i32', (f, hart) => {
    const privilege = f.let(hart.get.load(L.PRIVILEGE));
    const timeoutWait = hart.get.load64(L.MSTATUS).and(C.MSTATUS_TW).ne(0);
    f.if(privilege.ltU(C.Privilege.M).and(timeoutWait.or(privilege.eqz())), () => f.return(i32(2)));
    const pending = hart.get.load64(L.MIP_LINES).or(hart.get.load64(L.MIP_SOFTWARE)).and(hart.get.load64(L.MIE));
    f.result(pending.eqz());
  });

  return { ...translate, takeException, takeInterrupt, event, lookSoon, mret, sret, wfi };
}

export type Trap = ReturnType<typeof defineTrap>;
