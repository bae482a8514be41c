/** What a run of the benchmarks measured, as it is written to JSON. Times are milliseconds, sizes bytes. */
import type { BootRun } from './boot.ts';
import type { KernelRun } from './contender/contender.ts';
import type { HostDescription } from './host-description.ts';
import type { LongRun } from './long-run.ts';
import type { MomentFigures } from './moments/report.ts';
import type { Group } from './suite.ts';
import type { KernelFigures, MeanFigures } from './summary.ts';

/** Raised when the meaning of a field changes. */
export const RESULT_VERSION = 1;

export const CONTENDERS = ['godwit', 'qemu', 'native'] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export interface KernelResult {
  readonly name: string;
  readonly group: Group;
  readonly repetitions: number;
  readonly runs: Readonly<Record<ContenderName, readonly KernelRun[]>>;
}

export interface BootResult {
  readonly godwit: readonly BootRun[];
  readonly qemu: readonly BootRun[];
}

export interface BenchResult {
  readonly version: typeof RESULT_VERSION;
  /** ISO 8601, when it began. */
  readonly date: string;
  readonly host: HostDescription;
  /** Programs and what they say of their version. */
  readonly versions: Readonly<Record<string, string>>;
  readonly engine: string;
  readonly scale: number;
  readonly clock: Clock;
  readonly kernels: readonly KernelResult[];
  readonly boot: BootResult;
  /** Real programs on Debian. */
  readonly programs: readonly KernelResult[];
  /** Where it was asked for. */
  readonly longRun?: LongRun;
  readonly moments?: MomentFigures;
  /** What the tables show. */
  readonly figures: {
    readonly kernels: readonly KernelFigures[];
    readonly means: readonly MeanFigures[];
    readonly programs: readonly KernelFigures[];
    readonly programMean: MeanFigures;
  };
  /** What went wrong, one sentence each. */
  readonly problems: readonly string[];
}

/** Time that figures are made of: what passed on the wall, or what the processor spent. */
export const CLOCKS = ['wall', 'cpu'] as const;
export type Clock = (typeof CLOCKS)[number];
