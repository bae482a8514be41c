import type { Outcome } from '../machine/outcome.ts';
import type { LoggedEvent } from '../run/event-log.ts';
import type { LiveListener } from '../run/listeners.ts';
import type { EndReason } from './end.ts';
import type { Recorder } from './recorder.ts';

/** One recording of the ring. */
export interface Segment {
  readonly recorder: Recorder;
  /** Takes its file away; it has been stopped. */
  remove(): Promise<void>;
}

export interface FlightRecorderParts<S extends Segment> {
  /** How much of the past is kept at least, once there is so much. */
  readonly keepMs: number;
  readonly nowMs: () => number;
  /**
   * A machine that ran for less than that since the last part began needs no new one: replaying it takes no time.
   * Default: 2 s.
   */
  readonly worthwhileBusyMs?: number;
  /** Begins a recording of the machine as it is now. */
  readonly begin: () => S;
}

/** A segment whose log is longer than that is followed by another early: so the disk that the ring takes is bounded. */
const LOG_LIMIT_BYTES = 256 * 1024 ** 2;
/** The most that all segments take; the oldest are given up for that, even when less than `keepMs` is left. */
const TOTAL_LIMIT_BYTES = 3 * 1024 ** 3;
const WORTHWHILE_BUSY_MS = 2000;
const WORTHWHILE_LOG_BYTES = 1024 ** 2;

interface Kept<S> {
  readonly segment: S;
  readonly begunMs: number;
  stopped: Promise<void> | undefined;
}

/**
 * Records always, and keeps the last minutes: a ring of recordings, each with a start of its own. Every half of that
 * time a new one begins where the one before ends, and those too old to be needed go. `join` makes one recording of
 * what is kept.
 */
export class FlightRecorder<S extends Segment> implements LiveListener {
  private readonly parts: FlightRecorderParts<S>;
  private readonly kept: Kept<S>[] = [];
  private busyMs = 0;
  private isStarted = false;
  private hasEnded = false;

  constructor(parts: FlightRecorderParts<S>) {
    this.parts = parts;
    this.begin();
  }

  private begin(): void {
    const segment = this.parts.begin();
    this.isStarted = false;
    this.busyMs = 0;
    this.kept.push({ segment, begunMs: this.parts.nowMs(), stopped: undefined });
    void segment.recorder.started.then(() => {
      if (this.current.segment === segment) this.isStarted = true;
    });
  }

  private get current(): Kept<S> {
    return this.kept.at(-1)!;
  }

  /** What is kept, oldest first. */
  get segments(): readonly S[] {
    return this.kept.map(({ segment }) => segment);
  }

  /** How far back it goes. */
  get keptMs(): number {
    return this.parts.nowMs() - this.kept[0]!.begunMs;
  }

  event(stamped: LoggedEvent): void {
    this.current.segment.recorder.event(stamped);
  }

  slice(outcome: Outcome, busyMs: number): void {
    const { recorder } = this.current.segment;
    this.busyMs += busyMs;
    recorder.slice(outcome, busyMs);
    if (!this.hasEnded && outcome.kind !== 'finished' && recorder.isAtKnownPlace && this.isDue) this.rotate();
  }

  failed(error: unknown): void {
    this.current.segment.recorder.failed(error);
  }

  private get isDue(): boolean {
    const { segment, begunMs } = this.current;
    const { logBytes } = segment.recorder;
    if (!this.isStarted) return false;
    if (logBytes > LOG_LIMIT_BYTES) return true;
    if (this.parts.nowMs() - begunMs < this.parts.keepMs / 2) return false;
    return this.busyMs >= (this.parts.worthwhileBusyMs ?? WORTHWHILE_BUSY_MS) || logBytes >= WORTHWHILE_LOG_BYTES;
  }

  private rotate(): void {
    const { current } = this;
    current.stopped = current.segment.recorder.stop();
    this.begin();
    this.dropOld();
  }

  private dropOld(): void {
    const { nowMs, keepMs } = this.parts;
    const total = () => this.kept.reduce((sum, { segment }) => sum + segment.recorder.fileBytes, 0);
    // The second oldest alone reaches back far enough.
    while (this.kept.length > 2 && (nowMs() - this.kept[1]!.begunMs >= keepMs || total() > TOTAL_LIMIT_BYTES)) {
      const { segment, stopped } = this.kept.shift()!;
      void stopped!.then(() => segment.remove());
    }
  }

  /** Resolves when all that happened so far is in the files. */
  async sync(): Promise<void> {
    await Promise.all(this.kept.map(({ segment, stopped }) => stopped ?? segment.recorder.sync()));
  }

  async stop(reason: EndReason): Promise<void> {
    this.hasEnded = true;
    const { current } = this;
    current.stopped ??= current.segment.recorder.stop(reason);
    await Promise.all(this.kept.map(({ stopped }) => stopped));
  }

  async remove(): Promise<void> {
    await Promise.all(this.kept.splice(0).map(({ segment }) => segment.remove()));
  }
}
