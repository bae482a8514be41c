import { renderProgress } from '../guest/index.ts';
import { reportError } from './errors.ts';
import { Signals } from './signals.ts';

export interface Cancel {
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes?: number) => void;
}

/** Work with progress on a terminal, which signals of the process end in order. Gives the exit status. */
export async function cancellable(phase: string, work: (cancel: Cancel) => Promise<void>): Promise<number> {
  const abort = new AbortController();
  const signals = new Signals(() => abort.abort());
  const progress = process.stderr.isTTY ? renderProgress(process.stderr) : undefined;
  const onProgress = (done: number, total?: number): void =>
    progress?.update({ phase, done, ...(total === undefined ? {} : { total }), unit: 'bytes' });
  signals.listen();
  try {
    await work({ signal: abort.signal, onProgress });
    return signals.exitCode ?? 0;
  } catch (error) {
    progress?.end();
    if (signals.exitCode === undefined) throw error;
    reportError(error, false);
    return signals.exitCode;
  } finally {
    progress?.end();
    signals.ignore();
  }
}
