import { GodwitError } from '../common/errors.ts';
import { callback, object, optional, type Schema, wholeBigint, wholeNumber } from '../common/schema.ts';
import { SAVED_REGISTERS } from '../hart/saved-registers.ts';
import type { MachineCore } from '../machine/core.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import { type EventLog, isBefore, type LoggedEvent } from '../run/event-log.ts';
import { ReplayRunner } from '../run/replay-runner.ts';
import type { RewindableOutput } from './rewindable-output.ts';
import { type WaypointBudget, Waypoints } from './waypoints.ts';

export interface History {
  /** A machine at the beginning of the recording. */
  readonly core: MachineCore;
  readonly events: readonly LoggedEvent[] | EventLog;
  /**
   * Where the recording ends: as far as the machine may go. A recording that still grows says each time how far it is.
   */
  readonly endBranches: bigint | (() => bigint);
  /** Where it ends behind that transfer; undefined: at it, or wherever the guest ends. */
  readonly endPoint?: () => ExecutionPoint | undefined;
  /** Whether nobody knows what the machine would boot from. */
  readonly endsAtReset?: () => boolean;
}

export interface TimelineOptions {
  readonly waypoints?: Partial<WaypointBudget>;
  /** Told when the machine goes back, so that nobody sees its output twice. */
  readonly output?: RewindableOutput;
}

/**
 * Why a movement ended where it did. 'stopped': at one of the core's stops, which movements other than `runForward`
 * pass. 'end': of what is known; a recording that grows may know more later.
 */
export type Arrived = 'there' | 'beginning' | 'end' | 'stopped';

const MIB_FRAMES = 256;
/** 512 MiB of frames: about what the guest writes in ten minutes of ordinary work, at a waypoint's distance. */
const BUDGET: WaypointBudget = { count: 400, frames: 512 * MIB_FRAMES };
/** While the replay goes forward it leaves a waypoint this often: some 20 ms of it. */
const STRIDE_BRANCHES = 2_000_000n;
/** On the way to a point it leaves more, closer and closer to it, so that steps back from there are quick. */
const APPROACH_BRANCHES = [400_000n, 60_000n, 6_000n];

const BRANCHES = wholeBigint();
const STOP = object({ stop: optional(callback<() => boolean>()) });
const POINT: Schema<ExecutionPoint> = object(
  { hart: wholeNumber(0, 0xffff), branches: wholeBigint(), pc: wholeBigint() },
  { open: true },
);

function isSame(a: ExecutionPoint, b: ExecutionPoint): boolean {
  return a.hart === b.hart && a.branches === b.branches && a.pc === b.pc;
}

/**
 * A replay that can go both ways, also in a recording that still grows. Going back is going forward again from an
 * earlier waypoint, to the place before; everything the machine does is the same each time.
 */
export class Timeline {
  /** @internal The machine, to be looked at. */
  readonly core: MachineCore;
  private readonly runner: ReplayRunner;
  private readonly waypoints: Waypoints;
  private readonly options: TimelineOptions;
  private readonly findEnd: () => bigint;
  private readonly findEndPoint: () => ExecutionPoint | undefined;
  /** Where the recording begins. */
  readonly beginning: ExecutionPoint;

  /** @internal See openTimeline. */
  constructor({ core, events, endBranches, endPoint, endsAtReset }: History, options: TimelineOptions = {}) {
    this.core = core;
    this.options = options;
    this.findEndPoint = endPoint ?? (() => undefined);
    this.findEnd = typeof endBranches === 'function' ? endBranches : () => endBranches;
    this.runner = new ReplayRunner(core, events, endsAtReset && { endsAtReset });
    this.waypoints = new Waypoints(core, { ...BUDGET, ...options.waypoints });
    this.beginning = core.point;
    this.takeWaypoint();
  }

  /** Where the machine is. */
  get point(): ExecutionPoint {
    return this.core.point;
  }

  /** Guest time here, in ticks of 100 ns. */
  get ticks(): bigint {
    return this.core.ticks;
  }

  /**
   * The registers of the hart whose turn it is, 64 bits each, by the names of the RISC-V specifications: "pc", "x1" to
   * "x31", "f0" to "f31", "privilege", "mstatus", "sepc" and so on. A copy.
   */
  registers(): Map<string, bigint> {
    const { current } = this.core;
    return new Map(SAVED_REGISTERS.map(({ name, offset }) => [name, current.unsigned(offset)]));
  }

  /** How many snapshots of the machine it holds, from which it goes back. */
  get waypointCount(): number {
    return this.waypoints.count;
  }

  /** Nothing is before here. */
  get atBeginning(): boolean {
    return !isBefore(this.beginning, this.point);
  }

  /** As far as the machine may go, in counted transfers. */
  get endBranches(): bigint {
    return this.findEnd();
  }

  /** All that is recorded has been executed; a recording that grows may know more later. */
  get atEnd(): boolean {
    const { branches, pc } = this.core.current;
    const { endBranches } = this;
    const behind = this.findEndPoint();
    if (behind === undefined || branches !== endBranches) return branches >= endBranches;
    return pc === behind.pc || this.core.waiting;
  }

  /**
   * Goes forward to the first counted transfer at or after this branch count, or to the end. `stop` is asked after
   * every stretch of execution and may end it early.
   */
  runForward(branches: bigint, stop?: () => boolean): Arrived {
    BRANCHES.parse(branches, 'branches');
    STOP.parse({ stop }, 'stop');
    const { endBranches } = this;
    const target = branches < endBranches ? branches : endBranches;
    while (this.core.current.branches < target) {
      const stride = (this.core.current.branches / STRIDE_BRANCHES + 1n) * STRIDE_BRANCHES;
      const { kind } = this.runner.run(stride < target ? stride : target);
      if (kind === 'finished' || kind === 'starved') return 'end';
      if (kind === 'debug') return 'stopped';
      if (this.core.current.branches >= stride) this.takeWaypoint();
      if (stop?.()) return 'there';
    }
    if (branches <= endBranches) return 'there';
    const behind = this.findEndPoint();
    if (behind && this.runner.runBehind(behind).kind === 'debug') return 'stopped';
    return 'end';
  }

  private takeWaypoint(): void {
    this.waypoints.take(this.runner.delivered, () => this.options.output?.position ?? 0);
  }

  /** One instruction, interrupt or exception forward. */
  stepForward(): Arrived {
    if (this.atEnd) return 'end';
    return this.runner.step() === undefined ? 'there' : 'end';
  }

  /**
   * To an execution point, in either direction, exactly. Throws GodwitError('usage') when execution does not come by
   * there.
   */
  seek(point: ExecutionPoint): Arrived {
    POINT.parse(point, 'point');
    if (isBefore(point, this.beginning)) {
      this.rewind(this.beginning.branches);
      return 'beginning';
    }
    if (!isBefore(this.point, point) || this.isFar(point.branches)) this.rewind(point.branches);
    const arrived = this.approach(point.branches);
    if (arrived === 'end' && !isSame(this.point, point)) return 'end';
    while (this.core.current.branches === point.branches && this.core.current.pc !== point.pc) {
      if (this.stepForward() === 'end') return 'end';
    }
    if (!isSame(this.point, point)) {
      throw new GodwitError(
        'usage',
        `Execution does not come by pc 0x${point.pc.toString(16)} at branch ${point.branches}.`,
      );
    }
    return 'there';
  }

  /** To the first counted transfer at or after this branch count, in either direction. */
  seekBranches(branches: bigint): Arrived {
    BRANCHES.parse(branches, 'branches');
    if (branches <= this.beginning.branches) {
      this.rewind(this.beginning.branches);
      return 'beginning';
    }
    if (branches < this.core.current.branches || this.isFar(branches)) this.rewind(branches);
    return this.approach(branches);
  }

  /** Whether there is a waypoint between here and there. */
  private isFar(branches: bigint): boolean {
    return this.waypoints.atOrBefore(branches).snapshot.point.branches > this.core.current.branches;
  }

  /** Back (or on) to the last waypoint at or before this branch count. */
  private rewind(branches: bigint): void {
    const { snapshot, delivered, outputPosition } = this.waypoints.atOrBefore(branches);
    this.core.revert(snapshot);
    this.runner.delivered = delivered;
    this.options.output?.goBack(outputPosition);
  }

  private approach(branches: bigint): Arrived {
    for (const distance of APPROACH_BRANCHES) {
      if (branches - distance <= this.core.current.branches) continue;
      if (this.runForward(branches - distance) === 'end') return 'end';
      this.takeWaypoint();
    }
    return this.runForward(branches);
  }

  /** To the place before this one: the instruction, interrupt or exception that was last is undone. */
  stepBack(): Arrived {
    const here = this.point;
    if (this.atBeginning) return 'beginning';
    const transferBefore = here.branches - 1n;
    this.seekBranches(transferBefore > this.beginning.branches ? transferBefore : this.beginning.branches);
    if (!isBefore(this.point, here)) {
      // Time may have been skipped there, or the beginning is not at a counted transfer.
      this.rewind(this.beginning.branches);
      return 'beginning';
    }
    let before = this.point;
    for (;;) {
      const at = this.point;
      if (!isBefore(at, here)) break;
      before = at;
      if (this.stepForward() === 'end') break;
    }
    return this.seek(before);
  }

  /**
   * @internal Goes back until `findStops` names a place: it is called for one stretch of history after the other,
   * latest first, with the machine at its start, runs it forward to at most `until`, and returns the last place to stop
   * at before that, or undefined.
   */
  searchBack(findStops: (until: ExecutionPoint) => ExecutionPoint | undefined): Arrived {
    let until = this.point;
    for (;;) {
      const from = this.rewindBefore(until);
      if (!from) break;
      const found = findStops(until);
      if (found) return this.seek(found);
      until = from;
    }
    this.rewind(this.beginning.branches);
    return 'beginning';
  }

  /**
   * @internal To the start of the last stretch of history before a place; returns where that is, or undefined when
   * there is none.
   */
  rewindBefore(until: ExecutionPoint): ExecutionPoint | undefined {
    if (!isBefore(this.beginning, until)) return undefined;
    this.rewind(until.branches - 1n);
    return this.point;
  }

  /** Gives the waypoints' memory back. The machine stays where it is. */
  dispose(): void {
    this.waypoints.release();
  }
}
