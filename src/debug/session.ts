import type { DebugHit, WatchHit, Watchpoint } from '../machine/debug-stops.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import { GuestView } from './guest-view.ts';
import type { Resume, Reverse, Stop } from './stop.ts';
import { storesWhatIsThere } from './store-value.ts';
import type { DebugTarget, Ran } from './target.ts';

/** A step that stands at a `wfi` looks this often whether time went on. */
const IDLE_STEPS = 10_000;
/** Instructions of a range that are stepped, and accesses that are passed, before messages are let in. */
const RANGE_STEPS = 20_000;
const PASSES = 5000;

function isSame(a: ExecutionPoint, b: ExecutionPoint): boolean {
  return a.hart === b.hart && a.branches === b.branches && a.pc === b.pc;
}

function isBefore(a: ExecutionPoint, b: ExecutionPoint): boolean {
  return a.branches < b.branches || (a.branches === b.branches && a.pc < b.pc);
}

/**
 * An access that was told before it was done, or undone: where it is, so that it is not told again when the machine
 * goes on.
 */
interface Told {
  readonly point: ExecutionPoint;
  readonly instructions: bigint;
  readonly forward: boolean;
}

/**
 * A debugger on a machine: it lets the machine go on, forth or back, and says where and why it stopped. The machine
 * stands from the beginning of a session, and does what it would without one when it ends.
 */
export class DebugSession {
  readonly view: GuestView;
  readonly target: DebugTarget;
  private readonly stopped: (stop: Stop) => void;
  private breakpoints: ReadonlySet<bigint> = new Set();
  private watchpoints: readonly Watchpoint[] = [];
  private space: bigint | undefined;
  private resume: Resume | 'backwards' | undefined;
  private interrupted = false;
  private told: Told | undefined;
  /** The breakpoint, or the access, where the machine stands is behind it. */
  private leaving: 'breakpoint' | 'watchpoint' | undefined;

  /** `stopped` is called each time that the machine stops after it was let go. */
  constructor(target: DebugTarget, stopped: (stop: Stop) => void) {
    this.target = target;
    this.stopped = stopped;
    this.view = new GuestView(() => target.core);
    target.halt();
  }

  private get core() {
    return this.target.core;
  }

  get running(): boolean {
    return this.resume !== undefined;
  }

  /** Sets all breakpoints and watchpoints anew. */
  setStops(breakpoints: ReadonlySet<bigint>, watchpoints: readonly Watchpoint[]): void {
    this.breakpoints = breakpoints;
    this.watchpoints = watchpoints;
    this.core.stops.set(breakpoints, watchpoints, this.space);
  }

  /** The address space that stops in user space are for; undefined: all. */
  get onlySpace(): bigint | undefined {
    return this.space;
  }

  set onlySpace(satp: bigint | undefined) {
    this.space = satp;
    this.setStops(this.breakpoints, this.watchpoints);
  }

  /** Takes everything away and lets the machine go. */
  end(): void {
    this.resume = undefined;
    this.space = undefined;
    this.setStops(new Set(), []);
    this.target.leave();
  }

  goOn(resume: Resume): void {
    this.interrupted = false;
    this.resume = resume;
    if (this.hasTold(true)) this.leaving = 'watchpoint';
    else this.leaving = this.core.stops.hasBreakpoint(this.core.current.pc) ? 'breakpoint' : undefined;
    this.target.resume((branches) => this.execute(branches));
  }

  /**
   * Stops the machine where it is. Between stretches of execution, so at once; a search in history at its next stretch.
   */
  interrupt(): void {
    if (this.resume === 'backwards') this.interrupted = true;
    else if (this.resume) this.stop({ kind: 'interrupt' });
  }

  /** The machine has ended, or is about to. */
  machineEnded(code: number): void {
    if (this.resume) this.stop({ kind: 'exited', code });
  }

  /** Whether the machine still stands where an access was told in that direction. */
  private hasTold(forward: boolean): boolean {
    const { told, core } = this;
    if (told?.forward !== forward) return false;
    return isSame(told.point, core.point) && told.instructions === core.instructionsRetired;
  }

  private stop(stop: Stop): Ran {
    const forward = this.resume !== 'backwards';
    const { point, current: hart } = this.core;
    this.told = stop.kind === 'watchpoint' ? { point, instructions: hart.instructionsRetired, forward } : undefined;
    this.resume = undefined;
    this.target.halt();
    this.stopped(stop);
    return { kind: 'debug' };
  }

  /** A stretch of execution, for whoever moves the machine. */
  private execute(branches: bigint): Ran {
    const { resume } = this;
    if (resume === undefined || resume === 'backwards') return { kind: 'debug' };
    if (resume.kind === 'continue') return this.run(branches);
    return this.stepOn(resume);
  }

  private run(branches: bigint): Ran {
    if (this.leaving) {
      const { ran, stop } = this.step();
      if (stop) return this.stop(stop);
      if (ran.kind !== 'slice') return ran;
    }
    for (let passes = 0; passes < PASSES; passes++) {
      const ran = this.target.run(branches);
      if (ran.kind === 'end') return this.stop({ kind: 'history', end: 'end' });
      if (ran.kind !== 'debug' || !ran.hit) return ran;
      if (ran.hit.kind === 'breakpoint') return this.stop(ran.hit);
      const stop = this.stopBeforeAccess(ran.hit);
      if (stop) return this.stop(stop);
      const passed = this.move('everything');
      if (passed.kind !== 'slice') return passed;
    }
    return { kind: 'debug' };
  }

  private stepOn(resume: Resume): Ran {
    for (let steps = 0; steps < RANGE_STEPS; steps++) {
      const { ran, stop } = this.step();
      if (stop) return this.stop(stop);
      if (ran.kind === 'end') return this.stop({ kind: 'history', end: 'end' });
      if (ran.kind !== 'slice') return ran;
      const { pc } = this.core.current;
      if (resume.kind !== 'range' || pc < resume.start || pc >= resume.end) return this.stop({ kind: 'step' });
      if (this.core.stops.hasBreakpoint(pc)) return this.stop({ kind: 'breakpoint', address: pc });
    }
    return { kind: 'debug' };
  }

  /** One instruction, interrupt or exception; or nothing, where a watchpoint is to be told before it. */
  private step(): { ran: Ran; stop?: Stop | undefined } {
    const { stops } = this.core;
    const { leaving } = this;
    this.leaving = undefined;
    stops.hit = undefined;
    const ran = this.move(leaving === 'watchpoint' ? 'everything' : 'breakpoints');
    const hit = stops.hit as DebugHit | undefined;
    if (hit?.kind !== 'watchpoint') return { ran };
    const stop = this.stopBeforeAccess(hit);
    return stop ? { ran, stop } : { ran: this.move('everything') };
  }

  /** A step of the target that gets somewhere; one that skips idle time does not. */
  private move(passing: 'breakpoints' | 'everything'): Ran {
    const { current: hart, stops } = this.core;
    stops.hit = undefined;
    for (let tries = 0; ; tries++) {
      const before = { pc: hart.pc, instructions: hart.instructionsRetired, branches: hart.branches };
      const ran = stops.pass(() => this.target.step(), passing);
      if (ran.kind !== 'slice' || stops.hit || tries >= IDLE_STEPS) return ran;
      if (hart.pc !== before.pc || hart.instructionsRetired !== before.instructions) return ran;
      if (hart.branches !== before.branches || !hart.waiting) return ran;
    }
  }

  /** Before an access: what is to be told of it. A store of what is there already is not. */
  private stopBeforeAccess(hit: WatchHit): Stop | undefined {
    const unchanged = storesWhatIsThere(this.core, this.view, hit);
    const met = this.core.stops.watchpointsAt(hit).find(({ kind }) => kind !== 'write' || !unchanged);
    return met && stopAt(met, hit);
  }

  /** Does the instruction that an access was found in, and gives what is to be told of it when it is undone. */
  private makeAccess(hit: WatchHit): { ran: Ran; stop?: Stop | undefined } {
    const { current: hart, stops } = this.core;
    const watches = stops.watchpointsAt(hit).map((watch) => ({ watch, before: this.look(watch) }));
    const { instructionsRetired } = hart;
    const ran = this.move('everything');
    if (hart.instructionsRetired === instructionsRetired && ran.kind !== 'finished') return { ran };
    const met = watches.find(({ watch, before }) => watch.kind !== 'write' || this.look(watch) !== before);
    return met ? { ran, stop: stopAt(met.watch, hit) } : { ran };
  }

  /** The bytes of a watchpoint, in a form that can be compared. */
  private look({ address, bytes }: Watchpoint): string | undefined {
    return this.view.virtual(() => this.view.read(address, bytes)?.join());
  }

  /** Goes back by one place, or to the last stop before this place, or to the beginning of history. */
  async goBack(reverse: Reverse): Promise<void> {
    const { history } = this.target;
    if (!history) return;
    this.interrupted = false;
    this.resume = 'backwards';
    const told = this.hasTold(false) ? this.core.point : undefined;
    const stop = reverse === 'step' ? this.stepBack() : await this.searchBack(told);
    if (this.resume === 'backwards') this.stop(stop);
  }

  /** A search failed: the machine stands wherever it came to. */
  giveUp(): void {
    if (this.resume) this.stop({ kind: 'interrupt' });
  }

  private passing<T>(action: () => T): T {
    return this.core.stops.pass(action);
  }

  private stepBack(): Stop {
    const arrived = this.passing(() => this.target.history!.stepBack());
    return arrived === 'beginning' ? { kind: 'history', end: 'begin' } : { kind: 'step' };
  }

  /** `told`: the access before this place has been told, so it is not to be found again. */
  private async searchBack(told: ExecutionPoint | undefined): Promise<Stop> {
    const history = this.target.history!;
    let until = history.point;
    for (;;) {
      const from = this.passing(() => history.rewindBefore(until));
      if (!from) break;
      const found = this.lastStopBefore(until, told);
      if (found) {
        this.passing(() => history.seek(found.point));
        return found.stop;
      }
      await this.target.yield();
      if (this.resume !== 'backwards') return { kind: 'interrupt' };
      if (this.interrupted) {
        this.passing(() => history.seek(from));
        return { kind: 'interrupt' };
      }
      until = from;
    }
    this.passing(() => history.rewindToBeginning());
    return { kind: 'history', end: 'begin' };
  }

  /**
   * Runs forward to a place and says where, on the way, a machine that comes from there would stop first: at a
   * breakpoint, or behind the instruction with an access, before that is undone.
   */
  private lastStopBefore(until: ExecutionPoint, told: ExecutionPoint | undefined): Found | undefined {
    let found: Found | undefined;
    while (isBefore(this.core.point, until)) {
      let watch: WatchHit | undefined;
      if (this.core.current.branches < until.branches) {
        const ran = this.target.run(until.branches);
        if (ran.kind === 'finished' || ran.kind === 'end') break;
        if (ran.kind !== 'debug') continue;
        if (ran.hit?.kind === 'watchpoint') watch = ran.hit;
      }
      // At a stop, or on the last stretch of straight code before the place.
      const { point } = this.core;
      if (!isBefore(point, until)) break;
      if (this.core.stops.hasBreakpoint(point.pc)) found = { point, stop: { kind: 'breakpoint', address: point.pc } };
      const { ran, stop } = this.stepAndLook(watch);
      const after = this.core.point;
      if (stop && !(told && isSame(after, told))) found = { point: after, stop };
      if (ran.kind === 'finished' || ran.kind === 'end') break;
    }
    return found;
  }

  /** One instruction, which is known to make an access or has to be asked. */
  private stepAndLook(watch: WatchHit | undefined): { ran: Ran; stop?: Stop | undefined } {
    if (watch) return this.makeAccess(watch);
    const ran = this.move('breakpoints');
    const hit = this.core.stops.hit as DebugHit | undefined;
    return hit?.kind === 'watchpoint' ? this.makeAccess(hit) : { ran };
  }
}

interface Found {
  readonly point: ExecutionPoint;
  readonly stop: Stop;
}

function stopAt({ kind, address }: Watchpoint, hit: WatchHit): Stop {
  return { kind: 'watchpoint', watch: kind, address: hit.address > address ? hit.address : address };
}
