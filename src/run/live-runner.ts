import type { Finish } from '../device/finisher/test-finisher.ts';
import type { BlockCompletion } from '../device/virtio/block/backend.ts';
import type { MachineCore } from '../machine/core.ts';
import type { ConsolePort, ExternalEvent } from '../machine/events.ts';
import type { Outcome } from '../machine/outcome.ts';
import type { HostClock } from '../platform/clock.ts';
import type { HostLoop } from './host-loop.ts';
import { Listeners, type LiveListener, throwLater } from './listeners.ts';
import { LiveClock, STEP_MS } from './live-clock.ts';
import { stamp } from './replay-runner.ts';
import { atRest, BRANCHES_BETWEEN_JUMPS, epochCorrection, stepTowards, ticksAtWall } from './wall-time.ts';

export interface LiveOptions {
  /** For what a listener threw that does not want to know it itself. Default: an error that nobody catches. */
  readonly onListenerFailure?: (error: unknown) => void;
  /** A reset that the guest asks for is a power-off, for those who listen, too. */
  readonly endsAtReset?: boolean;
}

export interface LiveStatistics {
  readonly instructions: bigint;
  readonly branches: bigint;
  /** Milliseconds since `run` was called, and those in which the guest ran. */
  readonly wallMs: number;
  readonly busyMs: number;
  readonly guestTicks: bigint;
  readonly resets: number;
}

/** A slice aims to take this long, so that control calls are answered quickly. */
const SLICE_MS = 3;
const FIRST_SLICE = 20_000;
const LONGEST_SLICE = 4_000_000;
/** With nothing due an idle machine still looks up this often. */
const IDLE_MS = 1000;
/** A guest that is this far behind the wall follows it in several steps, with short slices between them. */
const FAR_BEHIND_MS = 5000;
/**
 * ... and one that waits for a disk takes such a step only this often: 120 seconds of guest time without an answer are
 * a fault to Linux.
 */
const DISK_STEP_MS = 20;
const LONG_JUMP_TICKS = 10_000_000n;

/**
 * Runs a machine live: in slices, in time with the wall clock, and delivers what comes from outside between them. What
 * was asked of it while a slice ran takes effect at its end.
 */
export class LiveRunner {
  private readonly core: MachineCore;
  private readonly host: HostClock;
  private readonly loop: HostLoop;
  private readonly listeners: Listeners;
  private readonly endsAtReset: boolean;
  private readonly events: ExternalEvent[] = [];
  private readonly typed: Record<ConsolePort, Uint8Array[]> = { uart: [], virtio: [] };
  private clock: LiveClock;
  private wallAsked = false;
  private lastJumpMs = 0;
  private lastJumpBranches = 0n;
  private paused = false;
  private halted = false;
  private stopped = false;
  private sliceBranches = FIRST_SLICE;
  private startedMs = 0;
  private busyMs = 0;
  private resets = 0;

  constructor(core: MachineCore, host: HostClock, loop: HostLoop, options: LiveOptions = {}) {
    this.core = core;
    this.host = host;
    this.loop = loop;
    this.listeners = new Listeners(options.onListenerFailure ?? throwLater);
    this.endsAtReset = options.endsAtReset ?? false;
    this.clock = this.startClock();
  }

  private startClock(): LiveClock {
    return new LiveClock(this.host.nowMs(), Number(this.core.ticks), Number(this.core.current.branches));
  }

  /** Tells it everything from now on, after those that listen already, until what is given back is called. */
  listen(listener: LiveListener): () => void {
    return this.listeners.add(listener);
  }

  /** Bytes for a console. They wait here until the device has room; nothing is lost. */
  input(port: ConsolePort, bytes: Uint8Array): void {
    if (bytes.length > 0) this.typed[port].push(bytes.slice());
    this.loop.wake();
  }

  resize(columns: number, rows: number): void {
    this.enqueue({ kind: 'resize', columns, rows });
  }

  completeBlock(disk: number, id: number, completion: BlockCompletion): void {
    this.enqueue({ kind: 'block', disk, id, completion });
  }

  /** Anything from outside. It reaches the machine before it executes on. */
  enqueue(event: ExternalEvent): void {
    this.events.push(event);
    this.loop.wake();
  }

  /**
   * Guest time is to agree with the wall from now on, before the guest executes on: for a machine that was kept
   * somewhere in the meantime. It never goes back; a guest that is ahead of the wall has only its real-time clock set.
   */
  followWall(): void {
    this.wallAsked = true;
    this.loop.wake();
  }

  /** No guest instruction runs until `resume`; guest time stands still. */
  pause(): void {
    this.paused = true;
    this.loop.wake();
  }

  resume(): void {
    this.paused = false;
    this.loop.wake();
  }

  /** As `pause` and `resume`, for a debugger: the machine goes on when neither stops it. */
  halt(): void {
    this.halted = true;
    this.loop.wake();
  }

  unhalt(): void {
    this.halted = false;
    this.loop.wake();
  }

  /** Runs a slice. A debugger puts itself in its place. */
  execute: (branches: bigint) => Outcome = (branches) => this.core.run(branches);

  private get stands(): boolean {
    return this.paused || this.halted;
  }

  /** `run` returns undefined soon. The machine could be run again. */
  stop(): void {
    this.stopped = true;
    this.loop.wake();
  }

  get stats(): LiveStatistics {
    const { current: hart, ticks } = this.core;
    return {
      instructions: hart.instructionsRetired,
      branches: hart.branches,
      wallMs: this.host.nowMs() - this.startedMs,
      busyMs: this.busyMs,
      guestTicks: ticks,
      resets: this.resets,
    };
  }

  /** Runs until the guest powers off or fails, or `stop` is called (then the result is undefined). */
  async run(): Promise<Finish | undefined> {
    this.stopped = false;
    this.startedMs = this.host.nowMs();
    this.clock = this.startClock();
    while (!this.stopped) {
      if (this.stands) await this.stayPaused();
      else {
        const finish = await this.runSlice();
        if (finish) return finish;
      }
      await this.loop.yield();
    }
    return undefined;
  }

  private async stayPaused(): Promise<void> {
    while (this.stands && !this.stopped) await this.loop.sleep(IDLE_MS);
    this.clock.restart(this.host.nowMs(), Number(this.core.ticks), Number(this.core.current.branches));
  }

  /** Deliveries, a slice, and what follows from how it ended. */
  private async runSlice(): Promise<Finish | undefined> {
    const { core, host, clock } = this;
    if (core.acceptsEvents && this.wallAsked) this.aimAtWall();
    if (core.acceptsEvents && this.somethingToDeliver) this.deliverAll();
    const started = host.nowMs();
    const farBehind = this.behindMs(core.ticks) > FAR_BEHIND_MS;
    const slice = farBehind ? Math.min(BRANCHES_BETWEEN_JUMPS, this.sliceBranches) : this.sliceBranches;
    const outcome = this.withoutReset(this.execute(core.current.branches + BigInt(slice)));
    const now = host.nowMs();
    this.busyMs += now - started;
    this.listeners.slice(outcome, now - started);
    if (outcome.kind === 'finished') {
      if (outcome.finish.kind !== 'reset') return outcome.finish;
      core.reset();
      this.resets++;
      this.listeners.reset();
      return undefined;
    }
    // Not at a counted transfer, where the clock could be set.
    if (outcome.kind === 'debug') return undefined;
    clock.observe(now, Number(core.current.branches));
    if (outcome.kind === 'slice') {
      if (!farBehind) this.fitSlice(now - started);
      await this.keepTime();
    } else await this.idle(outcome.deadline);
    return undefined;
  }

  private withoutReset(outcome: Outcome): Outcome {
    const resets = outcome.kind === 'finished' && outcome.finish.kind === 'reset';
    return resets && this.endsAtReset ? { kind: 'finished', finish: { kind: 'pass', code: 0 } } : outcome;
  }

  private fitSlice(ms: number): void {
    const factor = Math.min(2, Math.max(0.25, SLICE_MS / Math.max(ms, 0.05)));
    this.sliceBranches = Math.round(Math.min(LONGEST_SLICE, Math.max(FIRST_SLICE / 4, this.sliceBranches * factor)));
  }

  /** Corrects guest time where it drifted; a guest that ran ahead of the wall waits for it. */
  private async keepTime(): Promise<void> {
    const { core, clock, host } = this;
    const now = host.nowMs();
    const { event, aheadMs } = clock.correction(now, Number(core.ticks), core.clockRate, Number(this.nextStep(now)));
    if (event) this.setClock(now, event.ticks, event.rate);
    if (aheadMs === undefined) return;
    await this.loop.sleep(aheadMs);
    clock.resumed(host.nowMs(), Number(core.current.branches));
  }

  private behindMs(ticks: bigint): number {
    return -this.clock.msUntil(Number(ticks), this.host.nowMs());
  }

  /** Guest time that the wall clock asks for, or what the guest takes well on the way there. */
  private nextStep(nowMs: number): bigint {
    const { core } = this;
    const wall = BigInt(Math.floor(this.clock.wallTicks(nowMs)));
    if (wall <= core.ticks) return core.ticks;
    const tooEarly = nowMs - this.lastJumpMs < DISK_STEP_MS && this.behindMs(core.ticks) > FAR_BEHIND_MS;
    return tooEarly && core.awaitsDisk ? core.ticks : stepTowards(core, wall);
  }

  private setClock(nowMs: number, ticks: bigint, rate: bigint): void {
    if (ticks - this.core.ticks > LONG_JUMP_TICKS) {
      this.lastJumpMs = nowMs;
      this.lastJumpBranches = this.core.current.branches;
    }
    this.deliver({ kind: 'clock', ticks, rate });
  }

  private aimAtWall(): void {
    const { core, clock, host } = this;
    this.wallAsked = false;
    const [now, wall] = [host.nowMs(), host.epochNanoseconds()];
    const epoch = epochCorrection(core, wall);
    clock.aim(now, Number(epoch ? core.ticks : ticksAtWall(core, wall)));
    if (this.behindMs(core.ticks) > STEP_MS || core.waiting) this.tellTime();
    if (epoch) this.deliver(epoch);
  }

  /** The hart waits: until its next deadline, or until something arrives; then guest time is what the wall says. */
  private async idle(deadline: bigint | undefined): Promise<void> {
    const { core, clock, host } = this;
    const remaining = deadline === undefined ? IDLE_MS : clock.msUntil(Number(deadline), host.nowMs());
    if (!this.somethingToDeliver && remaining > 0.5) await this.loop.sleep(Math.min(remaining, IDLE_MS));
    const now = host.nowMs();
    clock.resumed(now, Number(core.current.branches));
    if (this.stands || this.stopped || deadline === undefined) return;
    if (this.isSettling(deadline)) core.skipTo(deadline);
    else if (this.behindMs(deadline) > STEP_MS) await this.oversleep();
    else if (clock.msUntil(Number(deadline), now) <= 0.5) core.skipTo(deadline);
  }

  /**
   * After a jump a guest has timers to serve. Once it rests it takes a jump of any length, so it is let come to rest
   * first.
   */
  private isSettling(deadline: bigint): boolean {
    if (this.behindMs(deadline) <= FAR_BEHIND_MS || this.core.awaitsDisk || atRest(this.core)) return false;
    return this.core.current.branches - this.lastJumpBranches < BigInt(BRANCHES_BETWEEN_JUMPS);
  }

  /** The wall is well past what the guest waits for. */
  private async oversleep(): Promise<void> {
    const before = this.core.ticks;
    this.tellTime();
    if (this.core.ticks === before && !this.somethingToDeliver) await this.loop.sleep(DISK_STEP_MS);
  }

  /**
   * Says what time it is, before something reaches a waiting hart. Always: time may have been skipped at this very
   * point, which a replay would do only after delivering what is recorded for it.
   */
  private tellTime(): void {
    const now = this.host.nowMs();
    this.setClock(now, this.nextStep(now), this.core.clockRate);
  }

  private get somethingToDeliver(): boolean {
    if (this.events.length > 0) return true;
    const ports: ConsolePort[] = ['uart', 'virtio'];
    return ports.some((port) => this.typed[port].length > 0 && this.core.inputSpace(port) > 0);
  }

  private deliverAll(): void {
    if (this.core.waiting) this.tellTime();
    for (const event of this.events.splice(0)) this.deliver(event);
    for (const port of ['uart', 'virtio'] as const) this.deliverTyped(port);
  }

  private deliverTyped(port: ConsolePort): void {
    const waiting = this.typed[port];
    while (waiting.length > 0) {
      const space = this.core.inputSpace(port);
      if (space === 0) return;
      const bytes = waiting.shift()!;
      this.deliver({ kind: 'input', port, bytes: bytes.subarray(0, space) });
      if (bytes.length > space) waiting.unshift(bytes.subarray(space));
    }
  }

  private deliver(event: ExternalEvent): void {
    this.listeners.event(stamp(this.core, event));
  }
}
