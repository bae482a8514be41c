/** What all measurements of one run share. */
import { GodwitError } from '../src/common/errors.ts';
import type { Progress } from '../src/guest/index.ts';
import type { BenchOptions } from './options.ts';
import type { Contenders } from './run-suite.ts';

export interface Bench {
  readonly options: BenchOptions;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly versions: Record<string, string>;
  readonly problems: string[];
}

/** How the programs that are measured with come onto a Debian. */
export const PACKAGES = 'apt-get install qemu-system-misc gcc gcc-riscv64-linux-gnu libc6-dev libc6-dev-riscv64-cross';

/** Gives undefined and a line for the person when a program is not on this machine. */
export async function ifPresent<T>(bench: Bench, consequence: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code !== 'not-found') throw error;
    bench.progress.note(`${error.message} ${consequence}`);
    return undefined;
  }
}

/** Starts contenders, which end when the run is interrupted. */
export async function startAll(bench: Bench, contenders: Contenders): Promise<void> {
  bench.progress.update({ phase: `Booting ${Object.keys(contenders).join(' and ')}` });
  const stop = (): void => {
    for (const contender of Object.values(contenders)) void contender.stop();
  };
  bench.signal.addEventListener('abort', stop, { once: true });
  await Promise.all(Object.values(contenders).map((contender) => contender.start()));
}
