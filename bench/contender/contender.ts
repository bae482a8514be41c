/** What runs kernels: the host itself, QEMU, godwit. */

/** Bytes. */
export const REFERENCE_WORK = 1e9;

export interface KernelRun {
  readonly checksum: string;
  /**
   * Between the start and end lines, as the host saw them. For what runs for a time and says how much it did: per
   * REFERENCE_WORK.
   */
  readonly wallMs: number;
  /** Processor time that the host spent in between, on all threads of the machine's process. */
  readonly cpuMs: number | undefined;
  /** Guest instructions retired in between, where they can be counted. */
  readonly instructions: number | undefined;
  /** What godwit's engine did in between, by name: translations, evictions, exits from translated code and so on. */
  readonly engine?: Readonly<Record<string, number>>;
}

/** A kernel did not end well; its machine still takes the next. */
export class KernelFailed extends Error {
  override readonly name = 'KernelFailed';
}

export interface Contender {
  start(): Promise<void>;
  /** Throws KernelFailed, or GodwitError when the machine itself ended or hangs. */
  run(kernel: string, repetitions: number): Promise<KernelRun>;
  /** Ends what was started. Never throws. */
  stop(): Promise<void>;
}
