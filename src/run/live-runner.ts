import type { Finish } from '../device/finisher/test-finisher.ts';
import type { BlockCompletion } from '../device/virtio/block/backend.ts';
import type { MachineCore } from '../machine/core.ts';
import type { ExternalEvent, InputPort } from '../machine/events.ts';
import type { Outcome } from '../machine/outcome.ts';
import type { HostClock } from '../platform/clock.ts';
import type { HostLoop } from './host-loop.ts';
import { Listeners, type LiveListener, throwLater } from './listeners.ts';
import { LiveClock } from './live-clock.ts';
import { stamp } from './replay-runner.ts';
import { WallFollower } from './wall-follower.ts';
import { type ClockMode, SHORT_ABSENCE_MS } from './wall-time.ts';

export interface LiveOptions {
  /** For what a listener threw that does not want to know it itself. Default: an error that nobody catches. */
  readonly onListenerFailure?: (error: unknown) => void;
  /** The guest's real-time clock was set to this many nanoseconds since 1970. Guest time went on from where it was. */
  readonly onWallSet?: (wallNanoseconds: bigint) => void;
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
const INPUT_PORTS: readonly InputPort[] = ['uart', 'virtio', 'agent'];
/** With nothing due an idle machine still looks up this often. */
const IDLE_MS = 1000;
/** A waiting guest that is served this late is told what time it is, and not that its deadline has just come. */
const LATE_MS = 50;

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
  private readonly typed: Record<InputPort, Uint8Array[]> = { uart: [], virtio: [], agent: [] };
  private clock: LiveClock;
  private readonly wall: WallFollower;
  /** When the machine last had its turn, as far as it was seen. */
  private seenMs = 0;
  /** A debugger moves it: time that it takes is none of the guest's. */
  private debugged = false;
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
    this.wall = new WallFollower({
      core,
      host,
      clock: () => this.clock,
      setEpoch: (nanoseconds, wall) => {
        // Time may have been skipped at this point.
        if (core.waiting) this.tellTime();
        this.deliver({ kind: 'epoch', nanoseconds });
        options.onWallSet?.(wall);
      },
    });
  }

  private startClock(): LiveClock {
    return new LiveClock(this.host.nowMs(), Number(this.core.ticks), Number(this.core.current.branches));
  }

  /** Tells it everything from now on, after those that listen already, until what is given back is called. */
  listen(listener: LiveListener): () => void {
    return this.listeners.add(listener);
  }

  /** Bytes for a console or the agent. They wait here until the device has room; nothing is lost. */
  input(port: InputPort, bytes: Uint8Array): void {
    if (bytes.length > 0) this.typed[port].push(bytes.slice());
    this.loop.wake();
  }

  resize(columns: number, rows: number): void {
    this.enqueue({ kind: 'resize', columns, rows });
  }

  completeBlock(disk: number, id: number, completion: BlockCompletion): void {
    this.enqueue({ kind: 'block', disk, id, completion });
  }

  completeShare(share: number, id: number, reply: Uint8Array): void {
    this.enqueue({ kind: 'share', share, id, reply });
  }

  /** Anything from outside. It reaches the machine before it executes on. */
  enqueue(event: ExternalEvent): void {
    this.events.push(event);
    this.loop.wake();
  }

  /**
   * The guest's clocks are to agree with the wall's from now on, before the guest executes on. The machine may have
   * been kept somewhere in the meantime. Until this is called it is `keep`.
   */
  followWall(mode: ClockMode): void {
    this.wall.follow(mode);
    this.loop.wake();
  }

  /** No guest instruction runs until `resume`. */
  pause(): void {
    this.paused = true;
    this.loop.wake();
  }

  resume(): void {
    this.paused = false;
    this.wall.noteAbsence();
    this.loop.wake();
  }

  /**
   * As `pause` and `resume`, for a debugger: the machine goes on when neither stops it. The wall clock is not looked at
   * until the debugger leaves.
   */
  halt(): void {
    this.halted = true;
    this.debugged = true;
    this.loop.wake();
  }

  unhalt(): void {
    this.halted = false;
    this.loop.wake();
  }

  /** The debugger leaves. */
  release(): void {
    this.execute = (branches) => this.core.run(branches);
    this.debugged = false;
    this.wall.noteAbsence();
    this.unhalt();
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
    this.seenMs = this.startedMs;
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
    this.seenMs = this.host.nowMs();
    this.clock.restart(this.seenMs, Number(this.core.ticks), Number(this.core.current.branches));
  }

  /**
   * A process that is stopped, a suspended host and a reader that keeps the machine waiting all look like this: much
   * more time has passed than was meant to. Gives whether that was so.
   */
  private noteTime(meantMs: number): boolean {
    const now = this.host.nowMs();
    const lostMs = now - this.seenMs - meantMs;
    this.seenMs = now;
    if (lostMs <= SHORT_ABSENCE_MS) return false;
    this.clock.leaveOut(lostMs);
    this.wall.noteAbsence();
    return true;
  }

  private async sleep(ms: number): Promise<void> {
    this.noteTime(0);
    await this.loop.sleep(ms);
    this.noteTime(ms);
  }

  /** Deliveries, a slice, and what follows from how it ended. */
  private async runSlice(): Promise<Finish | undefined> {
    const { core, host, clock } = this;
    this.noteTime(0);
    if (core.acceptsEvents && !this.debugged && this.wall.isDue) this.wall.look();
    if (core.acceptsEvents && this.somethingToDeliver) this.deliverAll();
    const started = host.nowMs();
    const outcome = this.withoutReset(this.execute(core.current.branches + BigInt(this.sliceBranches)));
    const wasAway = this.noteTime(0);
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
    if (wasAway) clock.resumed(now, Number(core.current.branches));
    else clock.observe(now, Number(core.current.branches));
    if (outcome.kind === 'slice') {
      this.fitSlice(now - started);
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
    const { event, aheadMs } = clock.correction(now, Number(core.ticks), core.clockRate);
    if (event) this.deliver(event);
    if (aheadMs === undefined) return;
    await this.sleep(aheadMs);
    clock.resumed(host.nowMs(), Number(core.current.branches));
  }

  /** The hart waits: until its next deadline, or until something arrives; then guest time is what the wall says. */
  private async idle(deadline: bigint | undefined): Promise<void> {
    const { core, clock, host } = this;
    const step = this.debugged ? undefined : this.wall.stepAtRest();
    if (step !== undefined) {
      clock.aim(host.nowMs(), Number(step));
      this.tellTime();
      return;
    }
    const remaining = deadline === undefined ? IDLE_MS : clock.msUntil(Number(deadline), host.nowMs());
    if (!this.somethingToDeliver && remaining > 0.5) await this.sleep(Math.min(remaining, IDLE_MS));
    const now = host.nowMs();
    clock.resumed(now, Number(core.current.branches));
    if (this.stands || this.stopped || deadline === undefined) return;
    const lateMs = -clock.msUntil(Number(deadline), now);
    if (lateMs > LATE_MS) this.tellTime();
    else if (lateMs >= -0.5) core.skipTo(deadline);
  }

  /**
   * Says what time it is, before something reaches a waiting hart. Always: time may have been skipped at this very
   * point, which a replay would do only after delivering what is recorded for it.
   */
  private tellTime(): void {
    const { core, clock, host } = this;
    const wall = BigInt(Math.floor(clock.wallTicks(host.nowMs())));
    this.deliver({ kind: 'clock', ticks: wall > core.ticks ? wall : core.ticks, rate: core.clockRate });
  }

  private get somethingToDeliver(): boolean {
    if (this.events.length > 0) return true;
    return INPUT_PORTS.some((port) => this.typed[port].length > 0 && this.core.inputSpace(port) > 0);
  }

  private deliverAll(): void {
    if (this.core.waiting) this.tellTime();
    for (const event of this.events.splice(0)) this.deliver(event);
    for (const port of INPUT_PORTS) this.deliverTyped(port);
  }

  private deliverTyped(port: InputPort): void {
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
