/** The event loop of the thread that runs a machine, between its slices. */
export interface HostLoop {
  /** Lets messages and completions in. */
  yield(): Promise<void>;
  /** Resolves after `ms`, or earlier when `wake` is called. */
  sleep(ms: number): Promise<void>;
  wake(): void;
}
