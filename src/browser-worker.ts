/** The program of each worker that godwit starts in a browser. Its first message says what it is for. */
import './platform/browser/install.ts';
import { ParentPort, type WorkerStart } from './platform/browser/threads.ts';
import { runThreadTask } from './service/thread-tasks.ts';

const parent = new ParentPort(globalThis as unknown as DedicatedWorkerGlobalScope);
let begun = false;

parent.onMessage((message) => {
  // What follows the first message is for the task, which listens in its turn; until then it waits.
  if (begun) return;
  begun = true;
  const { task, data } = message as WorkerStart;
  void runThreadTask(task, { parent, data });
});
