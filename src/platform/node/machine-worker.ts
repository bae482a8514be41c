/** A thread of machines: it waits for a configuration, says whether the machine is ready, and serves actions until the last machine ends. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import type { FromMachine, ToMachine } from '../../api/actions.ts';
import type { MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import { toWireError } from '../../api/wire-error.ts';
import { DirectCompiler } from '../../execute/jit/compiler.ts';
import { provideInterpreter } from '../../machine/interpreter-module.ts';
import { ThreadCompiler } from './compile/thread-compiler.ts';
import { type Envelope, FIRST_MACHINE, MachineHost } from './machine-host.ts';
import { NODE_INTERPRETER } from './prebuilt-interpreter.ts';

/** The first message to a thread. */
export interface ThreadData {
  readonly configuration: MachineConfiguration | RestoreConfiguration;
  readonly interpreter: WebAssembly.Module;
  /** To the thread that compiles regions, if there is one. */
  readonly compiler?: MessagePort;
}

const port = parentPort!;

function post(envelope: Envelope<FromMachine>, transfer: ArrayBuffer[] = []): void {
  port.postMessage(envelope, transfer);
}

async function begin({ configuration, interpreter, compiler }: ThreadData): Promise<void> {
  provideInterpreter(NODE_INTERPRETER, interpreter);
  const regions = compiler ? new ThreadCompiler(compiler) : new DirectCompiler(() => performance.now());
  const host = new MachineHost(post, regions, () => port.close());
  try {
    await host.open(configuration);
    port.on('message', (envelope: Envelope<ToMachine>) => host.receive(envelope));
    post({ machine: FIRST_MACHINE, message: { kind: 'ready' } });
  } catch (error) {
    post({ machine: FIRST_MACHINE, message: { kind: 'failed', error: toWireError(error) } });
    port.close();
  }
}

port.once('message', (data: ThreadData) => void begin(data));
