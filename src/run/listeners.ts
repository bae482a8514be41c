import type { Outcome } from '../machine/outcome.ts';
import type { LoggedEvent } from './event-log.ts';

/**
 * What wants to know what happens to a machine: a recording for example. It must not change the machine. One that
 * throws hears no more.
 */
export interface LiveListener {
  /** Something reached the machine from outside just now. */
  event?(logged: LoggedEvent): void;
  /** A stretch of execution ended, and nothing else has happened to the machine there yet. */
  slice?(outcome: Outcome, busyMs: number): void;
  /** The guest asked for a reset, which has been done. */
  reset?(): void;
  /** It threw this, and hears no more. */
  failed?(error: unknown): void;
}

interface Entry {
  readonly listener: LiveListener;
}

/**
 * Those who listen to one machine, in the order in which they came. They may come and go while others are told
 * something.
 */
export class Listeners {
  /** Never changed, but replaced. */
  private entries: readonly Entry[] = [];
  private readonly onFailure: (error: unknown) => void;

  constructor(onFailure: (error: unknown) => void) {
    this.onFailure = onFailure;
  }

  /** Gives what takes it off again. */
  add(listener: LiveListener): () => void {
    const entry = { listener };
    this.entries = [...this.entries, entry];
    return () => this.remove(entry);
  }

  private remove(entry: Entry): void {
    this.entries = this.entries.filter((other) => other !== entry);
  }

  event(logged: LoggedEvent): void {
    this.tell(logged, undefined, 0);
  }

  slice(outcome: Outcome, busyMs: number): void {
    this.tell(undefined, outcome, busyMs);
  }

  reset(): void {
    this.tell(undefined, undefined, 0);
  }

  /** One way for all, which makes no object: it is gone through after each slice of a machine. */
  private tell(logged: LoggedEvent | undefined, outcome: Outcome | undefined, busyMs: number): void {
    const told = this.entries;
    for (const entry of told) {
      // It may have been taken off by one that was told before it.
      if (this.entries !== told && !this.entries.includes(entry)) continue;
      const { listener } = entry;
      try {
        if (logged) listener.event?.(logged);
        else if (outcome) listener.slice?.(outcome, busyMs);
        else listener.reset?.();
      } catch (error) {
        this.fail(entry, error);
      }
    }
  }

  private fail(entry: Entry, error: unknown): void {
    this.remove(entry);
    const { listener } = entry;
    try {
      if (listener.failed) listener.failed(error);
      else this.onFailure(error);
    } catch (again) {
      this.onFailure(again);
    }
  }
}

/** For a mistake that concerns nobody here: it is an unhandled rejection. */
export function throwLater(error: unknown): void {
  void Promise.reject(error);
}
