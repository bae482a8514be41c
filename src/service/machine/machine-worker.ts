/** A thread of machines: its first message says what it is for; then it serves until the last machine of its fork group ends. */
import '../../platform/node/install.ts';
import { parentPort, workerData } from 'node:worker_threads';
import type { FromMachine } from '../../api/actions.ts';
import { toWireError } from '../../api/wire-error.ts';
import { DirectCompiler } from '../../execute/jit/compiler.ts';
import { provideInterpreter } from '../../machine/interpreter-module.ts';
import { NODE_INTERPRETER } from '../../platform/node/prebuilt-interpreter.ts';
import { ThreadCompiler } from '../compile/thread-compiler.ts';
import { forgetWarmedUp, type WarmUp, warmUp } from '../warm/warm-up.ts';
import type { Envelope, FromHost, ThreadData, ToHost } from './host-messages.ts';
import { FIRST_MACHINE, FIRST_THREAD, MachineHost } from './machine-host.ts';

const port = parentPort!;

function post(envelope: Envelope<FromMachine>, transfer: ArrayBuffer[] = []): void {
  port.postMessage(envelope, transfer);
}

function tell(message: FromHost): void {
  port.postMessage(message);
}

async function begin({ task, interpreter, compiler }: ThreadData): Promise<MachineHost | undefined> {
  provideInterpreter(NODE_INTERPRETER, interpreter);
  const regions = compiler ? new ThreadCompiler(compiler) : new DirectCompiler(() => performance.now());
  const isFirst = !('first' in task);
  if (!('checkpoint' in task)) forgetWarmedUp();
  const host = new MachineHost(post, regions, () => port.close(), isFirst ? FIRST_THREAD : task.thread);
  try {
    if (isFirst) await host.open(task);
    else await host.join(task);
    tell(isFirst ? { machine: FIRST_MACHINE, message: { kind: 'ready' } } : { kind: 'joined' });
    return host;
  } catch (error) {
    const failure = { kind: 'failed', error: toWireError(error) } as const;
    tell(isFirst ? { machine: FIRST_MACHINE, message: failure } : failure);
    if (!isFirst) task.first.close();
    port.close();
    return undefined;
  }
}

async function serve(host: MachineHost | undefined, message: ToHost): Promise<void> {
  if ('machine' in message || message.kind !== 'shut-down') {
    host?.receive(message);
    return;
  }
  await host?.shutDown();
  tell({ kind: 'shut-down' });
  port.close();
}

let host: Promise<MachineHost | undefined> | undefined;

port.on('message', (message: ThreadData | ToHost) => {
  // What comes while the thread is not ready yet waits.
  if (host) void host.then((ready) => serve(ready, message as ToHost));
  else host = begin(message as ThreadData);
});
if (workerData) void warmUp(workerData as WarmUp, () => host !== undefined);
