import { type I32, i32, i64, type ModuleBuilder, select } from '../../execute/wasm/index.ts';
import { ENVCFG_STCE, MTIP, STIP } from '../constants.ts';
import * as L from '../layout.ts';

/** TIME_RATE is ticks per branch times 2^TIME_FRACTION_BITS. */
export const TIME_FRACTION_BITS = 24;
/** Guest time runs at 10 MHz, as on QEMU's virt board. */
export const TICKS_PER_SECOND = 10_000_000;
/** A deadline this many ticks ahead of the base counts as never; the clock is rebased long before. */
const FAR_TICKS = 1n << 36n;
const NEVER = -1n;

/**
 * Guest time as a function of the branch count, and the deadlines that follow from it (Sstc, privileged spec 3.2.1).
 */
export function defineTimer(module: ModuleBuilder) {
  const time = module.function('time', ['i32'], 'i64', (f, hart) => {
    const branches = hart.get.load64(L.BRANCHES).sub(hart.get.load64(L.TIME_BASE_BRANCHES));
    const elapsed = branches.mul(hart.get.load64(L.TIME_RATE)).shrU(TIME_FRACTION_BITS);
    f.result(hart.get.load64(L.TIME_BASE_TICKS).add(elapsed));
  });

  /** (hart, ticks) -> the first branch count at which `time` gives at least `ticks`. */
  const branchesAt = module.function('branches_at', ['i32', 'i64'], 'i64', (f, hart, ticks) => {
    const base = f.let(hart.get.load64(L.TIME_BASE_TICKS));
    const start = f.let(hart.get.load64(L.TIME_BASE_BRANCHES));
    f.if(ticks.get.leU(base), () => f.return(start));
    const wanted = f.let(ticks.get.sub(base));
    const rate = f.let(hart.get.load64(L.TIME_RATE));
    f.if(wanted.geU(FAR_TICKS).or(rate.eqz()), () => f.return(i64(NEVER)));
    f.result(start.add(wanted.shl(TIME_FRACTION_BITS).add(rate).sub(1).divU(rate)));
  });

  /** Sets the timer lines and STOP_BRANCHES. To be called when time, a compare register or the slice changed. */
  const update = module.function('timer_update', ['i32'], undefined, (f, hart) => {
    const now = f.let(f.call(time, hart.get));
    const stop = f.local('i64');
    const lines = f.local('i64');
    f.set(stop, hart.get.load64(L.SLICE_END));
    f.set(lines, hart.get.load64(L.MIP_LINES).and(~(MTIP | STIP)));
    const compare = (compareOffset: number, due: () => void): void => {
      const deadline = f.let(hart.get.load64(compareOffset));
      f.if(now.geU(deadline), due, () => {
        const branches = f.let(f.call(branchesAt, hart.get, deadline));
        f.set(stop, select(branches.ltU(stop.get), branches, stop.get));
      });
    };
    const raise = (line: bigint) => () => f.set(lines, lines.get.or(line));
    compare(L.MTIMECMP, raise(MTIP));
    f.if(hart.get.load64(L.MENVCFG).and(ENVCFG_STCE).ne(0), () => compare(L.STIMECMP, raise(STIP)));
    compare(L.DEVICE_DEADLINE, () => f.store(hart.get, i32(1), L.EXIT_REQUEST));
    f.store(hart.get, lines.get, L.MIP_LINES);
    const soon: I32 = hart.get.load(L.LINES_CHANGED).or(hart.get.load(L.EXIT_REQUEST));
    f.store(hart.get, select(soon, i64(0), stop.get), L.STOP_BRANCHES);
  });

  return { time, update };
}

export type Timer = ReturnType<typeof defineTimer>;
