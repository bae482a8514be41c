import { GodwitError } from '../common/errors.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import type { EventLog, LoggedEvent } from './event-log.ts';

/** A log in memory that grows while it is replayed. */
export class GrowingLog implements EventLog {
  private readonly events: LoggedEvent[] = [];
  private known: ExecutionPoint;
  private closed = false;
  private waiting: (() => void)[] = [];

  /** `start`: where the machine was when the log began. */
  constructor(start: ExecutionPoint) {
    this.known = start;
  }

  get length(): number {
    return this.events.length;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  get horizon(): ExecutionPoint {
    return this.known;
  }

  at(index: number): LoggedEvent | 'not yet' | 'end' {
    return this.events[index] ?? (this.closed ? 'end' : 'not yet');
  }

  /** The next event reached the machine. Throws GodwitError('state') for one that is before what is known. */
  append(logged: LoggedEvent): void {
    this.moveTo(logged.point);
    this.events.push(logged);
    this.wake();
  }

  /** The machine has come to this point, and nothing but what is in the log reached it before. */
  advance(horizon: ExecutionPoint): void {
    this.moveTo(horizon);
    this.wake();
  }

  private moveTo(point: ExecutionPoint): void {
    if (this.closed) throw new GodwitError('state', 'The log has ended: nothing more can happen in it.');
    // A point twice, or with an earlier pc when the machine was reset there, is no step back.
    if (point.branches < this.known.branches) throw new GodwitError('state', 'A log does not go back.');
    this.known = point;
  }

  /** Nothing more comes: a replay may run on past the horizon. Throws GodwitError('state') for what comes then. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  private wake(): void {
    const { waiting } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Resolves when the log next changes; at once when it is closed. */
  changed(): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
