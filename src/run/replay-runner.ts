import { GodwitError } from '../common/errors.ts';
import type { Finish } from '../device/finisher/test-finisher.ts';
import type { MachineCore } from '../machine/core.ts';
import type { ExternalEvent } from '../machine/events.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import type { Outcome } from '../machine/outcome.ts';
import { EndedLog, type EventLog, type LoggedEvent } from './event-log.ts';

export type { LoggedEvent } from './event-log.ts';

export type Stop =
  | Exclude<Outcome, { kind: 'waiting' }>
  /** The log still grows, and all that is safe to run has run. */
  | { readonly kind: 'starved' };

export interface ReplayRunnerOptions {
  /** Whether nobody knows what the machine boots from, so that a reset by the guest is its end. */
  readonly endsAtReset?: () => boolean;
}

/** Delivers an event now and says where that was. */
export function stamp(core: MachineCore, event: ExternalEvent): LoggedEvent {
  const { point } = core;
  core.deliver(event);
  return { point, event };
}

/**
 * Runs the machine on nothing but a log of events, each delivered at its execution point: what a replay does. Between
 * them an idle machine's time is skipped to its next deadline. Resets by the guest happen inside. In a log that still
 * grows it comes as far as the log's horizon, and goes on from there when more is known.
 */
export class ReplayRunner {
  private readonly core: MachineCore;
  private readonly log: EventLog;
  private readonly endsAtReset: () => boolean;
  private next = 0;

  constructor(
    core: MachineCore,
    events: readonly LoggedEvent[] | EventLog,
    { endsAtReset = () => false }: ReplayRunnerOptions = {},
  ) {
    this.core = core;
    this.log = 'at' in events && 'horizon' in events ? events : new EndedLog(events);
    this.endsAtReset = endsAtReset;
  }

  /** How many events have been delivered. Set when the machine was put back to where that many had been. */
  get delivered(): number {
    return this.next;
  }

  set delivered(count: number) {
    this.next = count;
  }

  /** The event that is next. Undefined: none is known. */
  private get due(): LoggedEvent | undefined {
    const found = this.log.at(this.next);
    return typeof found === 'string' ? undefined : found;
  }

  /** Whether the next event is not known yet, and may be due here. */
  get isStarved(): boolean {
    const { log, core } = this;
    if (log.at(this.next) !== 'not yet') return false;
    const { branches, pc } = log.horizon;
    const here = core.current.branches;
    return here > branches || (here === branches && (core.waiting || core.current.pc >= pc));
  }

  /**
   * Goes on by one instruction, interrupt or exception, with what is due delivered before it. Returns how the machine
   * ended, if it has. 'starved': the log does not say yet what happens here.
   */
  step(): Finish | 'starved' | undefined {
    const { core } = this;
    this.deliverDue();
    if (this.isStarved) return 'starved';
    if (core.waiting) return this.wait();
    const outcome = core.step();
    if (outcome.kind !== 'finished') return undefined;
    if (this.isEnd(outcome.finish)) return outcome.finish;
    core.reset();
    return undefined;
  }

  /** What is due here is delivered; nothing executes. */
  deliverDue(): void {
    for (let { due } = this; due && this.isHere(due); due = this.due) this.deliver(due);
  }

  /** A waiting hart comes to its next deadline; what was due at this point is delivered. */
  private wait(): undefined {
    const { core } = this;
    const outcome = core.step();
    if (outcome.kind !== 'waiting') return undefined;
    if (outcome.deadline === undefined) throw this.diverged('it waits for something that is not in the recording');
    core.skipTo(outcome.deadline);
    return undefined;
  }

  /**
   * Runs to the first counted transfer at or after `branches`; events at that point are left for the next call. Throws
   * GodwitError('damaged') when the log does not fit what the machine does: the machine has diverged.
   * `untilTicks`: a waiting machine's time is not skipped beyond that; it stays there, as at the end of a slice.
   */
  run(branches: bigint, untilTicks?: bigint): Stop {
    const { core } = this;
    for (;;) {
      const { due } = this;
      const here = core.current.branches;
      if (here >= branches && !core.waiting) return { kind: 'slice' };
      if (due && here === due.point.branches && this.deliverIfHere(due)) continue;
      if (here >= branches) return { kind: 'slice' };
      const known = due ? due.point.branches : this.knownBranches(branches);
      if (!due && here >= known) return this.stepToHorizon();
      // An event at this branch count but a later pc is for a hart that waits there.
      const next = known < branches ? known : branches;
      const outcome = core.run(next === here ? here + 1n : next);
      if (outcome.kind === 'debug') return outcome;
      if (outcome.kind === 'waiting') {
        if (due && core.current.branches === due.point.branches && this.deliverIfHere(due)) continue;
        if (outcome.deadline === undefined) throw this.diverged('it waits for something that is not in the recording');
        if (untilTicks !== undefined && outcome.deadline > untilTicks) return { kind: 'slice' };
        core.skipTo(outcome.deadline);
      } else if (outcome.kind === 'finished') {
        if (this.isEnd(outcome.finish)) return outcome;
        core.reset();
      } else if (due && core.current.branches > due.point.branches) {
        throw this.diverged('it passed the point of the next event');
      }
    }
  }

  /** To a place behind the counted transfer where the machine is, or until it waits. */
  runBehind({ branches, pc }: ExecutionPoint): Stop {
    const { core } = this;
    while (core.current.branches === branches && core.current.pc !== pc && !core.waiting) {
      this.deliverDue();
      const outcome = core.step();
      if (outcome.kind === 'debug') return outcome;
      if (outcome.kind !== 'finished') continue;
      if (this.isEnd(outcome.finish)) return outcome;
      core.reset();
    }
    return { kind: 'slice' };
  }

  /** How far it may run, of what it is asked for, when no event is due. */
  private knownBranches(branches: bigint): bigint {
    return this.log.at(this.next) === 'end' ? branches : this.log.horizon.branches;
  }

  /** The last instructions of the stretch to the horizon: behind its last counted transfer. */
  private stepToHorizon(): Stop {
    while (!this.isStarved) {
      const outcome = this.core.step();
      if (outcome.kind === 'debug') return outcome;
      if (outcome.kind === 'finished' && this.isEnd(outcome.finish)) return outcome;
      if (outcome.kind === 'finished') this.core.reset();
    }
    return { kind: 'starved' };
  }

  private isEnd({ kind }: Finish): boolean {
    return kind !== 'reset' || this.endsAtReset();
  }

  private deliverIfHere(due: LoggedEvent): boolean {
    if (!this.isHere(due)) return false;
    this.deliver(due);
    return true;
  }

  private isHere({ point }: LoggedEvent): boolean {
    const { core } = this;
    const { hart, branches, pc } = core.point;
    return hart === point.hart && branches === point.branches && pc === point.pc && core.acceptsEvents;
  }

  private deliver(due: LoggedEvent): void {
    this.core.deliver(due.event);
    this.next++;
  }

  private diverged(what: string): GodwitError {
    const { hart, branches, pc } = this.core.point;
    const place = `branch ${branches}, pc 0x${pc.toString(16)}, hart ${hart}`;
    return new GodwitError(
      'damaged',
      `the machine does not follow the recording: ${what} (${place}, event ${this.next})`,
    );
  }
}
