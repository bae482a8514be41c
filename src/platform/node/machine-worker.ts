/** The thread of one machine: it gets a configuration, says whether the machine is ready, and serves actions until it ends. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FromMachine, ToMachine } from '../../api/actions.ts';
import type { MachineConfiguration } from '../../api/options.ts';
import { toWireError } from '../../api/wire-error.ts';
import { MachineServer } from './machine-server.ts';

const port = parentPort!;

/** The last message of a machine: nothing keeps the thread alive then. */
function isLast(message: FromMachine): boolean {
  return message.kind === 'ended' || message.kind === 'failed';
}

function send(message: FromMachine, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
  if (isLast(message)) port.close();
}

try {
  const server = await MachineServer.open(workerData as MachineConfiguration, send);
  port.on('message', (message: ToMachine) => server.receive(message));
  send({ kind: 'ready' });
} catch (error) {
  send({ kind: 'failed', error: toWireError(error) });
}
