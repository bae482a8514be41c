import { GodwitError } from '../common/errors.ts';
import type { Finish } from '../device/finisher/test-finisher.ts';
import type { ExecutionPoint, ExternalEvent, MachineCore, Outcome } from '../machine/core.ts';

/** Something from outside, at the execution point where it reached the machine. */
export interface LoggedEvent {
  readonly point: ExecutionPoint;
  readonly event: ExternalEvent;
}

export type Stop = Exclude<Outcome, { kind: 'waiting' }>;

/** Delivers an event now and says where that was. */
export function stamp(core: MachineCore, event: ExternalEvent): LoggedEvent {
  const { point } = core;
  core.deliver(event);
  return { point, event };
}

/**
 * Runs the machine on nothing but a list of events, each delivered at its execution point: what a replay does. Between them an idle
 * machine's time is skipped to its next deadline. Resets by the guest happen inside, unless nobody knows what it boots from
 * (`endsAtReset`).
 */
export class ReplayRunner {
  private readonly core: MachineCore;
  private readonly events: readonly LoggedEvent[];
  private readonly endsAtReset: boolean;
  private next = 0;

  constructor(
    core: MachineCore,
    events: readonly LoggedEvent[],
    { endsAtReset = false }: { readonly endsAtReset?: boolean } = {},
  ) {
    this.core = core;
    this.events = events;
    this.endsAtReset = endsAtReset;
  }

  /** How many events have been delivered. Set when the machine was put back to where that many had been. */
  get delivered(): number {
    return this.next;
  }

  set delivered(count: number) {
    this.next = count;
  }

  /**
   * Goes on by one instruction, interrupt or exception, with what is due delivered before it. Returns how the machine ended, if it has.
   */
  step(): Finish | undefined {
    const { core } = this;
    for (let due = this.events[this.next]; due && this.isHere(due); due = this.events[this.next]) this.deliver(due);
    if (core.waiting) return this.wait();
    const outcome = core.step();
    if (outcome.kind !== 'finished') return undefined;
    if (this.isEnd(outcome.finish)) return outcome.finish;
    core.reset();
    return undefined;
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
   * GodwitError('damaged') when the list does not fit what the machine does: the machine has diverged.
   * `untilTicks`: a waiting machine's time is not skipped beyond that; it stays there, as at the end of a slice.
   */
  run(branches: bigint, untilTicks?: bigint): Stop {
    const { core } = this;
    for (;;) {
      const due = this.events[this.next];
      const here = core.current.branches;
      if (here >= branches && !core.waiting) return { kind: 'slice' };
      if (due && here === due.point.branches && this.deliverIfHere(due)) continue;
      if (here >= branches) return { kind: 'slice' };
      // an event at this branch count but a later pc is for a hart that waits there.
      const next = due && due.point.branches < branches ? due.point.branches : branches;
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

  private isEnd({ kind }: Finish): boolean {
    return kind !== 'reset' || this.endsAtReset;
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
