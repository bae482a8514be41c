import type { ExternalEvent } from '../machine/events.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';

/** Something from outside, at the execution point where it reached the machine. */
export interface LoggedEvent {
  readonly point: ExecutionPoint;
  readonly event: ExternalEvent;
}

/**
 * What a replay runs on: the events of a machine in the order of their delivery. The log may still grow while it is
 * replayed. Then a replay must not run past its horizon: whether the machine is interrupted there is not known yet.
 */
export interface EventLog {
  /** The event with this number, counted from 0. 'not yet': it may still come. 'end': there is none. */
  at(index: number): LoggedEvent | 'not yet' | 'end';
  /**
   * All events before this point are in the log; more may come at the point itself, or later. Of no meaning when the
   * log has ended.
   */
  readonly horizon: ExecutionPoint;
}

export function isBefore(a: ExecutionPoint, b: ExecutionPoint): boolean {
  return a.branches < b.branches || (a.branches === b.branches && a.pc < b.pc);
}

/** The log of a machine that is not recorded any more. */
export class EndedLog implements EventLog {
  readonly horizon: ExecutionPoint = { hart: 0, branches: 0n, pc: 0n };
  private readonly events: readonly LoggedEvent[];

  constructor(events: readonly LoggedEvent[]) {
    this.events = events;
  }

  at(index: number): LoggedEvent | 'end' {
    return this.events[index] ?? 'end';
  }
}
