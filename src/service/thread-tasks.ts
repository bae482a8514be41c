/** What each kind of thread does. Loaded when it is needed: a thread need not wait for what others do. */
import { present } from '../common/invariant.ts';
import type { ThreadStart, ThreadTask } from '../platform/threads.ts';

type Serve = (start: ThreadStart) => void;

const TASKS: Readonly<Record<ThreadTask, () => Promise<{ serve: Serve }>>> = {
  machine: () => import('./machine/machine-worker.ts'),
  compiler: () => import('./compile/compile-worker.ts'),
  'checkpoint-writer': () => import('./checkpoint/store/writer-thread.ts'),
};

/** Begins a thread's work; messages of its parent wait until then. */
export async function runThreadTask(task: ThreadTask, start: ThreadStart): Promise<void> {
  const load = present(TASKS[task], `a thread has a task that there is: ${task}`);
  const { serve } = await load();
  serve(start);
}
