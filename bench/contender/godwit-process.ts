/**
 * The child process of GodwitContender. Of its own so that memory and processor time are the machine's, and can be
 * profiled alone. The machine runs in a thread of it (godwit-thread.ts), with the limits that users' machines have.
 */
import '../../src/platform/node/install.ts';
import { Worker } from 'node:worker_threads';
import { SMALL_HEAP } from '../../src/platform/node/threads.ts';
import type { GodwitCommand, GodwitMessage, GodwitProcessOptions } from './godwit-thread.ts';

const machine = new Worker(new URL('./godwit-thread.js', import.meta.url), {
  workerData: JSON.parse(process.argv[2]!) as GodwitProcessOptions,
  resourceLimits: SMALL_HEAP,
});

function tell(message: GodwitMessage): void {
  process.send?.(message);
}

machine.on('message', tell);
machine.on('error', (error) => {
  tell({ kind: 'finished', reason: `godwit failed: ${error.stack ?? error.message}` });
  process.exitCode = 1;
});
machine.on('exit', () => process.disconnect?.());

process.on('message', (command: GodwitCommand) => machine.postMessage(command));
process.once('SIGTERM', () => machine.postMessage({ kind: 'stop' } satisfies GodwitCommand));
// The parent decides when this ends, also when the terminal interrupts both.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
