/** Time of a host, and its event loop. */
export interface HostClock {
  /** Monotonic milliseconds, with fractions. */
  nowMs(): number;
  /** Nanoseconds since 1970. */
  epochNanoseconds(): bigint;
}

export interface HostTimers {
  /**
   * Calls `action` once after so many milliseconds. Gives what prevents the call. Unless told so, no process stays
   * alive for it.
   */
  later(delayMs: number, action: () => void, options?: { readonly keepAlive?: boolean }): () => void;
  /** Resolves after so many milliseconds. */
  sleep(delayMs: number): Promise<void>;
  /** Resolves when messages and completions that are there have been heard: one round of the event loop. */
  turn(): Promise<void>;
}
