/** What each kind of thread does. Loaded when it is needed: a thread need not wait for what others do. */
import { GodwitError } from '../common/errors.ts';
import type { ThreadStart, ThreadTask } from '../platform/threads.ts';

type Serve = (start: ThreadStart) => void;

/** The thread that writes checkpoints still has a program of its own. */
const TASKS: Readonly<Partial<Record<ThreadTask, () => Promise<{ serve: Serve }>>>> = {
  machine: () => import('./machine/machine-worker.ts'),
  compiler: () => import('./compile/compile-worker.ts'),
};

/** Begins a thread's work; messages of its parent wait until then. */
export async function runThreadTask(task: ThreadTask, start: ThreadStart): Promise<void> {
  const load = TASKS[task];
  if (!load) throw new GodwitError('state', `No thread can do "${task}".`);
  const { serve } = await load();
  serve(start);
}
