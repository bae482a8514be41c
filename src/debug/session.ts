import type { ExecutionPoint } from '../machine/core.ts';
import type { DebugHit, Watchpoint } from '../machine/debug-stops.ts';
import { GuestView } from './guest-view.ts';
import type { Resume, Reverse, Stop } from './stop.ts';
import type { DebugTarget, Ran } from './target.ts';

/** A step that stands at a `wfi` looks this often whether time went on. */
const IDLE_STEPS = 10_000;
/** Instructions of a range that are stepped before messages are let in. */
const RANGE_STEPS = 20_000;

type WatchHit = DebugHit & { kind: 'watchpoint' };

function isBefore(a: ExecutionPoint, b: ExecutionPoint): boolean {
  return a.branches < b.branches || (a.branches === b.branches && a.pc < b.pc);
}

/**
 * A debugger on a machine: it lets the machine go on, forth or back, and says where and why it stopped. The machine stands from
 * the beginning of a session, and does what it would without one when it ends.
 */
export class DebugSession {
  readonly view: GuestView;
  readonly target: DebugTarget;
  private readonly stopped: (stop: Stop) => void;
  private breakpoints: ReadonlySet<bigint> = new Set();
  private watchpoints: readonly Watchpoint[] = [];
  private resume: Resume | 'backwards' | undefined;
  private interrupted = false;
  /** The breakpoint where the machine stands is behind it. */
  private leaveBreakpoint = false;

  /** `stopped` is called each time that the machine stops after it was let go. */
  constructor(target: DebugTarget, stopped: (stop: Stop) => void) {
    this.target = target;
    this.stopped = stopped;
    this.view = new GuestView(() => target.core);
    target.hold();
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
    this.core.stops.set(breakpoints, watchpoints);
  }

  get watched(): readonly Watchpoint[] {
    return this.watchpoints;
  }

  /** Takes everything away and lets the machine go. */
  end(): void {
    this.resume = undefined;
    this.setStops(new Set(), []);
    this.target.leave();
  }

  goOn(resume: Resume): void {
    this.interrupted = false;
    this.resume = resume;
    this.leaveBreakpoint = this.breakpoints.has(this.core.hart.pc);
    this.target.letGo((branches) => this.execute(branches));
  }

  /** Stops the machine where it is. Between stretches of execution, so at once; a search in history at its next stretch. */
  interrupt(): void {
    if (this.resume === 'backwards') this.interrupted = true;
    else if (this.resume) this.stop({ kind: 'interrupt' });
  }

  /** The machine has ended, or is about to. */
  machineEnded(code: number): void {
    if (this.resume) this.stop({ kind: 'exited', code });
  }

  private stop(stop: Stop): Ran {
    this.resume = undefined;
    this.target.hold();
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
    for (;;) {
      const stop = this.leaveBreakpoint ? this.passBreakpoint() : undefined;
      if (stop) return stop;
      const ran = this.target.run(branches);
      if (ran.kind === 'end') return this.stop({ kind: 'history', end: 'end' });
      if (ran.kind !== 'debug' || !ran.hit) return ran;
      if (ran.hit.kind === 'breakpoint') return this.stop(ran.hit);
      const watched = this.makeAccess(ran.hit);
      if (watched.stop) return this.stop(watched.stop);
      if (watched.ran.kind === 'finished') return watched.ran;
    }
  }

  /** The instruction where the machine stands is done, in spite of its breakpoint. */
  private passBreakpoint(): Ran | undefined {
    this.leaveBreakpoint = false;
    const { ran, stop } = this.step();
    if (stop) return this.stop(stop);
    return ran.kind === 'slice' ? undefined : ran;
  }

  private stepOn(resume: Resume): Ran {
    for (let steps = 0; steps < RANGE_STEPS; steps++) {
      const { ran, stop } = this.step();
      if (stop) return this.stop(stop);
      if (ran.kind === 'end') return this.stop({ kind: 'history', end: 'end' });
      if (ran.kind !== 'slice') return ran;
      const { pc } = this.core.hart;
      if (resume.kind !== 'range' || pc < resume.start || pc >= resume.end) return this.stop({ kind: 'step' });
      if (this.breakpoints.has(pc)) return this.stop({ kind: 'breakpoint', address: pc });
    }
    return { kind: 'debug' };
  }

  /** One instruction, interrupt or exception, and what watchpoint that met. */
  private step(): { ran: Ran; stop?: Stop | undefined } {
    const { stops } = this.core;
    stops.hit = undefined;
    const ran = this.move('breakpoints');
    const hit = stops.hit as DebugHit | undefined;
    return hit?.kind === 'watchpoint' ? this.makeAccess(hit) : { ran };
  }

  /** A step of the target that gets somewhere; one that skips idle time does not. */
  private move(passing: 'breakpoints' | 'everything'): Ran {
    const { hart, stops } = this.core;
    for (let tries = 0; ; tries++) {
      const before = { pc: hart.pc, instructions: hart.instructionsRetired, branches: hart.branches };
      const ran = stops.pass(() => this.target.step(), passing);
      if (ran.kind !== 'slice' || stops.hit || tries >= IDLE_STEPS) return ran;
      if (hart.pc !== before.pc || hart.instructionsRetired !== before.instructions) return ran;
      if (hart.branches !== before.branches || !hart.waiting) return ran;
    }
  }

  /**
   * Does the instruction that an access was found in, and says whether that is to be reported: a write that changes nothing is not,
   * nor is one that ended in an exception.
   */
  private makeAccess(hit: WatchHit): { ran: Ran; stop?: Stop | undefined } {
    const { hart, stops } = this.core;
    const watches = stops.watchpointsAt(hit).map((watch) => ({ watch, before: this.look(watch) }));
    const { instructionsRetired } = hart;
    const ran = this.move('everything');
    stops.hit = undefined;
    if (hart.instructionsRetired === instructionsRetired && ran.kind !== 'finished') return { ran };
    const met = watches.find(({ watch, before }) => watch.kind !== 'write' || this.look(watch) !== before);
    if (!met) return { ran };
    const { kind, address } = met.watch;
    return { ran, stop: { kind: 'watchpoint', watch: kind, address: hit.address > address ? hit.address : address } };
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
    const stop = reverse === 'step' ? this.stepBack() : await this.searchBack();
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

  private async searchBack(): Promise<Stop> {
    const history = this.target.history!;
    let until = history.point;
    for (;;) {
      const from = this.passing(() => history.rewindBefore(until));
      if (!from) break;
      const found = this.lastStopBefore(until);
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

  /** Runs forward to a place and says where, on the way, the machine would have stopped last: before the instruction concerned. */
  private lastStopBefore(until: ExecutionPoint): { point: ExecutionPoint; stop: Stop } | undefined {
    let found: { point: ExecutionPoint; stop: Stop } | undefined;
    while (isBefore(this.core.point, until)) {
      let watch: WatchHit | undefined;
      if (this.core.hart.branches < until.branches) {
        const ran = this.target.run(until.branches);
        if (ran.kind === 'finished' || ran.kind === 'end') break;
        if (ran.kind !== 'debug') continue;
        if (ran.hit?.kind === 'watchpoint') watch = ran.hit;
      }
      // At a stop, or on the last stretch of straight code before the place.
      const { point } = this.core;
      if (!isBefore(point, until)) break;
      if (this.breakpoints.has(point.pc)) found = { point, stop: { kind: 'breakpoint', address: point.pc } };
      const { ran, stop } = watch ? this.makeAccess(watch) : this.step();
      if (stop) found = { point, stop };
      if (ran.kind === 'finished' || ran.kind === 'end') break;
    }
    return found;
  }
}
