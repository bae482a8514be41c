/** Figures out of runs: medians, speeds, ratios. */
import type { KernelRun } from './contender/contender.ts';
import type { BenchResult, Clock, ContenderName, KernelResult } from './result.ts';
import { geometricMean, median } from './statistics.ts';
import { GROUPS, type Group } from './suite.ts';

export interface KernelFigures {
  readonly name: string;
  readonly group: Group;
  /** Median times. */
  readonly ms: Readonly<Record<ContenderName, number | undefined>>;
  /** Million guest instructions a second in godwit. */
  readonly godwitMips: number | undefined;
  /** How many times QEMU's speed godwit has; above 1 it is faster. */
  readonly ofQemu: number | undefined;
  /** How many times longer godwit takes than the host itself. */
  readonly ofNative: number | undefined;
}

export interface MeanFigures {
  readonly label: string;
  readonly godwitMips: number | undefined;
  readonly ofQemu: number | undefined;
  readonly ofNative: number | undefined;
}

function timeOf(run: KernelRun, clock: Clock): number | undefined {
  return clock === 'cpu' ? run.cpuMs : run.wallMs;
}

function medianMs(runs: readonly KernelRun[], clock: Clock): number | undefined {
  const times = runs.map((run) => timeOf(run, clock)).filter((ms) => ms !== undefined);
  return times.length === 0 ? undefined : median(times);
}

function quotient(above: number | undefined, below: number | undefined): number | undefined {
  return above === undefined || below === undefined || below <= 0 ? undefined : above / below;
}

export function kernelFigures(kernel: KernelResult, clock: Clock): KernelFigures {
  const { name, group, runs } = kernel;
  const ms = {
    godwit: medianMs(runs.godwit, clock),
    qemu: medianMs(runs.qemu, clock),
    native: medianMs(runs.native, clock),
  };
  const instructions = runs.godwit.map((run) => run.instructions).filter((count) => count !== undefined);
  const perMs = instructions.length === 0 ? undefined : quotient(median(instructions), ms.godwit);
  return {
    name,
    group,
    ms,
    godwitMips: perMs === undefined ? undefined : perMs / 1000,
    ofQemu: quotient(ms.qemu, ms.godwit),
    ofNative: quotient(ms.godwit, ms.native),
  };
}

/** Geometric means. */
export function meanOf(label: string, figures: readonly KernelFigures[]): MeanFigures {
  const mean = (of: (kernel: KernelFigures) => number | undefined): number | undefined => {
    const values = figures.map(of).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : geometricMean(values);
  };
  return {
    label,
    godwitMips: mean((kernel) => kernel.godwitMips),
    ofQemu: mean((kernel) => kernel.ofQemu),
    ofNative: mean((kernel) => kernel.ofNative),
  };
}

/** Geometric means of each group that was run, then of all. */
export function meanFigures(figures: readonly KernelFigures[]): MeanFigures[] {
  const groups = GROUPS.map((group) => ({ group, members: figures.filter((kernel) => kernel.group === group) }));
  const present = groups.filter(({ members }) => members.length > 0);
  return [...present.map(({ group, members }) => meanOf(group, members)), meanOf('all', figures)];
}

/** Sentences on kernels that did not compute the same everywhere and every time. */
export function checksumProblems(kernel: KernelResult): string[] {
  const { godwit, qemu, native } = kernel.runs;
  const seen = { godwit, QEMU: qemu, 'the host': native };
  const found = Object.entries(seen).flatMap(([name, runs]) => runs.map(({ checksum }) => ({ name, checksum })));
  const different = new Set(found.map(({ checksum }) => checksum));
  if (different.size <= 1) return [];
  const list = [...new Set(found.map(({ name, checksum }) => `${name} ${checksum}`))].join(', ');
  return [`${kernel.name} gives different results: ${list}`];
}

/** Processor time by wall time over all of godwit's runs: well under 1 on a machine that is busy with other things. */
export function processorShare(result: BenchResult): number | undefined {
  const runs = [...result.kernels, ...result.programs]
    .flatMap((kernel) => kernel.runs.godwit)
    .filter((run) => run.cpuMs !== undefined);
  const sum = (of: (run: KernelRun) => number): number => runs.reduce((total, run) => total + of(run), 0);
  return quotient(
    sum((run) => run.cpuMs!),
    sum((run) => run.wallMs),
  );
}
