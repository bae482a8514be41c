/** The program of each thread that godwit starts in Node.js. */
import './platform/node/install.ts';
import { parentPort, workerData } from 'node:worker_threads';
import { NodePort, type WorkerStart } from './platform/node/threads.ts';
import { runThreadTask } from './service/thread-tasks.ts';

const { task, data } = workerData as WorkerStart;
await runThreadTask(task, { parent: new NodePort(parentPort!), data });
