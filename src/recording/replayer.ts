import { GodwitError } from '../common/errors.ts';
import type { Finish } from '../device/finisher/test-finisher.ts';
import type { ShareBackend } from '../device/virtio/9p/backend.ts';
import type { BlockBackend } from '../device/virtio/block/backend.ts';
import { MachineCore } from '../machine/core.ts';
import type { CoreOptions } from '../machine/core-options.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import { bootImages } from '../machine/linux.ts';
import { ReplayRunner, type Stop } from '../run/replay-runner.ts';
import { DigestTaker } from './digest.ts';
import { compareDigests, type DigestDifference, decodeDigest, isWaiting, type StoredDigest } from './digest-codec.ts';
import { type Divergence, DivergenceError } from './divergence.ts';
import type { EndReason } from './end.ts';
import type { RecordedDigest, Recording } from './recording.ts';

/** What a replay may choose; none of it changes what the guest does. */
export type ReplayOptions = Pick<
  CoreOptions,
  'output' | 'shared' | 'floatFastPaths' | 'translation' | 'reservedBytes' | 'compiler' | 'cache'
> & {
  /**
   * What the requests of each disk go to; its answers are never heard, since the recorded ones count. Default: nothing.
   */
  readonly backend?: (disk: number) => BlockBackend;
};

/** The machine's last step is in the recording. */
const ENDED_BY_GUEST: ReadonlySet<EndReason> = new Set(['power-off', 'failure', 'unknown-images']);
const NO_BACKEND: BlockBackend = { submit: () => {}, fence: () => {} };
const NO_SHARE: ShareBackend = { submit: () => {}, delivered: () => {}, fence: () => {} };

/**
 * The machine at the start of a recording. Its pages are read from the file as they are touched, so the recording must
 * stay open.
 */
export function makeRecordedMachine(recording: Recording, options: ReplayOptions = {}): Promise<MachineCore> {
  const { start } = recording;
  const { backend, ...core } = options;
  return MachineCore.restore(
    {
      ...core,
      memoryBytes: start.memoryBytes,
      // The state has it.
      seed: new Uint8Array(32),
      disks: start.disks.map((disk, index) => ({ ...disk, backend: backend?.(index) ?? NO_BACKEND })),
      shares: (start.shares ?? []).map(({ tag }) => ({ tag, backend: NO_SHARE })),
      // A recording that grows learns them when the guest is reset.
      load: bootImages(() => {
        if (recording.images) return recording.images;
        throw new GodwitError('state', 'The guest was reset, and what it boots from is not in the recording.');
      }),
    },
    start.state,
    recording.pages(),
  );
}

/** Why a replay stands where it does. */
export type ReplayStop =
  /** The branch count that was asked for is reached. */
  | { readonly kind: 'slice' }
  /** The recording ends here. `finish`: the guest had ended. */
  | { readonly kind: 'end'; readonly finish: Finish | undefined }
  /** The recording still grows, and this is as far as it is safe to go by now. */
  | { readonly kind: 'starved' };

/** Runs a machine as it was recorded, as quickly as it can, and checks every digest on the way. */
export class Replayer {
  readonly core: MachineCore;
  readonly recording: Recording;
  private readonly runner: ReplayRunner;
  private readonly digests: DigestTaker;
  private nextDigest = 0;
  /** The machine was as recorded here. */
  private sound: ExecutionPoint;
  private ended: Extract<ReplayStop, { kind: 'end' }> | undefined;

  constructor(core: MachineCore, recording: Recording) {
    this.core = core;
    this.recording = recording;
    this.runner = new ReplayRunner(core, recording.log, { endsAtReset: () => recording.images === undefined });
    this.digests = new DigestTaker(core);
    this.sound = core.point;
  }

  static async open(recording: Recording, options: ReplayOptions = {}): Promise<Replayer> {
    return new Replayer(await makeRecordedMachine(recording, options), recording);
  }

  /** How many events have been delivered. */
  get delivered(): number {
    return this.runner.delivered;
  }

  /** How many digests have been found right. */
  get checkedDigests(): number {
    return this.nextDigest;
  }

  /** Runs to the end. Throws DivergenceError, and GodwitError('state') when the recording has none yet. */
  runToEnd(): Extract<ReplayStop, { kind: 'end' }> {
    const stop = this.run(this.recording.endPoint.branches + 1n);
    if (stop.kind === 'end') return stop;
    throw new GodwitError('state', `${this.recording.source.name} has no end yet: it is still being recorded.`);
  }

  /**
   * Runs to the first counted transfer at or after `branches`, or to the end of the recording. A guest that waits stays
   * where it is when the time it waits for is after `untilTicks`. In a recording that still grows it stops short of
   * what is not known yet; more is known when the recording has been refreshed. Throws DivergenceError; the machine is
   * not to be run any further then.
   */
  run(branches: bigint, untilTicks?: bigint): ReplayStop {
    if (this.ended) return this.ended;
    const { digests, endPoint, isGrowing } = this.recording;
    for (let due = digests[this.nextDigest]; due && due.point.branches < branches; due = digests[this.nextDigest]) {
      if (!this.goTo(due.point.branches, untilTicks)) return { kind: 'slice' };
      this.check(due);
    }
    if (branches > endPoint.branches) return isGrowing ? this.catchUp(untilTicks) : this.runOut(untilTicks);
    const stop = this.runTo(branches, untilTicks);
    return stop.kind === 'finished' ? this.guestEnded(stop.finish) : { kind: 'slice' };
  }

  /** Whether the replay stands where the guest has ended: nothing is there that could go on. */
  get guestHasEnded(): boolean {
    const { ended, recording } = this;
    if (ended === undefined) return false;
    return ended.finish !== undefined || (recording.end !== undefined && ENDED_BY_GUEST.has(recording.end.reason));
  }

  /** To the last point that is known of a recording that grows. */
  private catchUp(untilTicks: bigint | undefined): ReplayStop {
    const { branches } = this.recording.endPoint;
    if (this.runTo(branches, untilTicks).kind !== 'finished') {
      if (this.core.current.branches < branches) return { kind: 'slice' };
      // What the guest did behind its last counted transfer there.
      this.guard(this.core.point, () => this.runner.run(branches + 1n, untilTicks));
    }
    return { kind: 'starved' };
  }

  /** To the end of the recording, exactly. */
  private runOut(untilTicks: bigint | undefined): ReplayStop {
    const { end, endPoint, events } = this.recording;
    if (end && ENDED_BY_GUEST.has(end.reason)) {
      const stop = this.guard(endPoint, () => this.runner.run(endPoint.branches + 1n, untilTicks));
      if (stop.kind === 'finished') return this.guestEnded(stop.finish);
      if (this.core.current.branches <= endPoint.branches) return { kind: 'slice' };
      throw this.diverged(endPoint, 'the guest goes on where it had ended');
    }
    const stop = this.runTo(endPoint.branches, untilTicks);
    if (stop.kind === 'finished') return this.guestEnded(stop.finish);
    if (this.core.current.branches < endPoint.branches) return { kind: 'slice' };
    if (end?.digest) this.reach(this.decode(end.digest), endPoint, events.length);
    else this.runOn(endPoint);
    return this.conclude(undefined);
  }

  /** The guest has ended, which is right at the end of the recording only. */
  private guestEnded(finish: Finish): ReplayStop {
    const { end, endPoint, isGrowing } = this.recording;
    // How it ends is not in the file yet.
    if (isGrowing) return { kind: 'starved' };
    const { hart, branches, pc } = this.core.point;
    if (end === undefined) return this.conclude(finish);
    if (!ENDED_BY_GUEST.has(end.reason)) throw this.diverged(endPoint, 'the guest ends where it had gone on');
    if (hart !== endPoint.hart || branches !== endPoint.branches || pc !== endPoint.pc) {
      throw this.diverged(endPoint, 'the guest ends in another place');
    }
    return this.conclude(finish);
  }

  private conclude(finish: Finish | undefined): Extract<ReplayStop, { kind: 'end' }> {
    const { end, endPoint } = this.recording;
    if (end?.digest) this.compare(this.decode(end.digest), endPoint);
    this.ended = { kind: 'end', finish: finish?.kind === 'reset' ? undefined : finish };
    return this.ended;
  }

  /**
   * To the first counted transfer at or after `branches`. The guest may end at the last one of a recording, and that is
   * a place like others.
   */
  private runTo(branches: bigint, untilTicks?: bigint): Stop {
    const point = { ...this.core.point, branches };
    const stop = this.guard(point, () => this.runner.run(branches, untilTicks));
    if (stop.kind !== 'finished' || this.core.current.branches >= this.recording.endPoint.branches) return stop;
    throw this.diverged(this.core.point, 'the guest ends where it had gone on');
  }

  /** The same where the guest goes on. False: the machine waits for a time after `untilTicks`. */
  private goTo(branches: bigint, untilTicks?: bigint): boolean {
    const { kind } = this.runTo(branches, untilTicks);
    if (kind === 'finished') throw this.diverged(this.core.point, 'the guest ends where it had gone on');
    return this.core.current.branches >= branches;
  }

  /** To the last that is known of a recording that broke off, or that ended where time had been skipped. */
  private runOn(point: ExecutionPoint): void {
    const { core, runner, recording } = this;
    const isThere = () => core.current.pc === point.pc || core.waiting;
    this.guard(point, () => {
      // Events reach the machine where it is; an instruction more would be one too far.
      runner.deliverDue();
      while (core.current.branches === point.branches && (runner.delivered < recording.events.length || !isThere())) {
        if (runner.step() === 'starved') break;
        runner.deliverDue();
      }
    });
    // It had come to its next deadline and not gone on yet.
    const { end } = recording;
    const isHere = core.waiting && core.current.branches === point.branches;
    if (end && isHere && core.ticks < end.ticks) core.skipTo(end.ticks);
  }

  private check({ content, point, delivered }: RecordedDigest): void {
    const digest = this.decode(content);
    this.reach(digest, point, delivered);
    this.compare(digest, point);
    this.nextDigest++;
  }

  private decode(content: Uint8Array): StoredDigest {
    try {
      return decodeDigest(content);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new GodwitError('damaged', `${this.recording.source.name} has a digest that cannot be read.`, { cause });
    }
  }

  /** Exactly to a point at which execution had stopped for the first time, with so many events delivered. */
  private reach(digest: StoredDigest, point: ExecutionPoint, delivered: number): void {
    const { core, runner } = this;
    const waits = isWaiting(digest, this.recording.start.registerNames);
    const isThere = () => core.current.pc === point.pc && core.waiting === waits;
    const isHere = core.current.branches === point.branches && isThere() && runner.delivered === delivered;
    if (!isHere) this.goTo(point.branches);
    this.guard(point, () => {
      // A hart that waited there had come a little further than the transfer.
      while (!isThere() && !core.waiting && core.current.branches === point.branches) runner.step();
    });
    if (!isThere() || core.current.branches !== point.branches) {
      throw this.diverged(point, 'the machine does not come by there');
    }
    if (runner.delivered !== delivered) throw this.diverged(point, 'what is recorded before did not all arrive');
  }

  private compare(recorded: StoredDigest, point: ExecutionPoint): void {
    const difference = compareDigests(recorded, this.digests.take(), this.recording.start.registerNames);
    if (difference) throw new DivergenceError({ ...difference, ...this.interval(point), event: undefined });
    this.sound = point;
  }

  private guard<T>(point: ExecutionPoint, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code !== 'damaged') throw error;
      throw this.diverged(point, error.message.replace(/\.$/, ''), error);
    }
  }

  private diverged(to: ExecutionPoint, event: string, cause?: unknown): DivergenceError {
    const nothing: DigestDifference = { registers: [], devices: [], pages: [], exactPages: true };
    return new DivergenceError({ ...nothing, ...this.interval(to), event }, cause);
  }

  private interval(to: ExecutionPoint): Pick<Divergence, 'interval'> {
    return { interval: { index: this.nextDigest, from: this.sound, to } };
  }

  /** Looks at the machine no more: whoever has it may do with it as he likes. */
  detach(): MachineCore {
    this.digests.stop();
    return this.core;
  }
}
