/** Runs the suite: for each kernel all contenders in turn, so that a busy spell of the host meets them alike. */
import type { Progress } from '../src/guest/index.ts';
import { type Contender, KernelFailed, type KernelRun } from './contender/contender.ts';
import type { ContenderName, KernelResult } from './result.ts';
import { type Kernel, scaledRepetitions } from './suite.ts';
import { checksumProblems } from './summary.ts';

export interface SuiteOptions {
  readonly kernels: readonly Kernel[];
  readonly runs: number;
  readonly scale: number;
  readonly signal: AbortSignal;
}

export interface SuiteResult {
  readonly kernels: readonly KernelResult[];
  readonly problems: readonly string[];
}

export type Contenders = Partial<Record<ContenderName, Contender>>;

/** One contender's run; a failure becomes a problem. A contender whose machine ended is left out from then on. */
async function runOne(
  contenders: Contenders,
  name: ContenderName,
  kernel: Kernel,
  repetitions: number,
  problems: string[],
): Promise<KernelRun | undefined> {
  try {
    return await contenders[name]?.run(kernel.name, repetitions);
  } catch (error) {
    problems.push(`${kernel.name}, ${name}: ${(error as Error).message}`);
    if (!(error instanceof KernelFailed)) delete contenders[name];
    return undefined;
  }
}

export async function runSuite(started: Contenders, options: SuiteOptions, progress: Progress): Promise<SuiteResult> {
  const contenders = { ...started };
  const names = Object.keys(contenders) as ContenderName[];
  const results: KernelResult[] = [];
  const problems: string[] = [];
  for (const kernel of options.kernels) {
    const repetitions = scaledRepetitions(kernel, options.scale);
    const runs: Record<ContenderName, KernelRun[]> = { godwit: [], qemu: [], native: [] };
    for (let run = 0; run < options.runs; run++) {
      for (const name of names) {
        if (options.signal.aborted) break;
        progress.update({ phase: `Running ${kernel.name}, ${run + 1} of ${options.runs}: ${name}` });
        const result = await runOne(contenders, name, kernel, repetitions, problems);
        if (result) runs[name].push(result);
      }
    }
    const result = { name: kernel.name, group: kernel.group, repetitions, runs };
    if (names.some((name) => runs[name].length > 0)) results.push(result);
    problems.push(...checksumProblems(result));
    if (options.signal.aborted) break;
  }
  return { kernels: results, problems };
}
