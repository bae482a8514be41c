/** Fetching and building what machines boot: with progress on standard error, and ended in order by signals. */
import { type Progress, renderProgress } from '../guest/index.ts';
import { Signals } from './signals.ts';

/** What is still under way then, such as a download, is not waited for. */
const CLEAN_UP_MS = 10_000;

export interface GuestWork {
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Runs the work. A signal of the process lets it take away what it has begun, and then ends the process. */
export async function guestWork<T>(work: (given: GuestWork) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const signals = new Signals(() => {
    abort.abort();
    setTimeout(() => process.exit(signals.exitCode), CLEAN_UP_MS).unref();
  });
  const progress = renderProgress(process.stderr);
  signals.listen();
  try {
    return await work({ progress, signal: abort.signal });
  } catch (error) {
    if (signals.exitCode === undefined) throw error;
    progress.end();
    process.exit(signals.exitCode);
  } finally {
    signals.ignore();
  }
}
