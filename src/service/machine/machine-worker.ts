/**
 * A thread of machines: its first message says what it is for; then it serves until the last machine of its fork group
 * ends.
 */
import type { FromMachine } from '../../api/actions.ts';
import { toWireError } from '../../api/wire-error.ts';
import { DirectCompiler } from '../../execute/jit/compiler.ts';
import { MACHINE_INTERPRETER, provideInterpreter } from '../../machine/interpreter-module.ts';
import { platform } from '../../platform/platform.ts';
import type { Port, ThreadStart } from '../../platform/threads.ts';
import { ThreadCompiler } from '../compile/thread-compiler.ts';
import { forgetWarmedUp, type WarmUp, warmUp } from '../warm/warm-up.ts';
import { FIRST_MACHINE, FIRST_THREAD, ThreadMachines } from './thread-machines.ts';
import type { Envelope, FromThread, ThreadRequest, ToThread } from './thread-messages.ts';

export function serve({ parent, data }: ThreadStart): void {
  const thread = new MachineThreadServer(parent);
  parent.onMessage((message) => thread.receive(message as ThreadRequest | ToThread));
  if (data) void warmUp(data as WarmUp, () => thread.isWanted);
}

class MachineThreadServer {
  private readonly parent: Port;
  private machines: Promise<ThreadMachines | undefined> | undefined;

  constructor(parent: Port) {
    this.parent = parent;
  }

  /** It has been told what it is for. */
  get isWanted(): boolean {
    return this.machines !== undefined;
  }

  /** What comes while the thread is not ready yet waits. */
  receive(message: ThreadRequest | ToThread): void {
    if (this.machines) void this.machines.then((ready) => this.handle(ready, message as ToThread));
    else this.machines = this.begin(message as ThreadRequest);
  }

  private tell(message: FromThread): void {
    this.parent.post(message);
  }

  private async begin({ task, interpreter, compiler }: ThreadRequest): Promise<ThreadMachines | undefined> {
    const { threads, clock } = platform();
    provideInterpreter(MACHINE_INTERPRETER, interpreter);
    const regions = compiler ? new ThreadCompiler(threads.port(compiler)) : new DirectCompiler(() => clock.nowMs());
    const isFirst = !('first' in task);
    if (!('checkpoint' in task)) forgetWarmedUp();
    const post = (envelope: Envelope<FromMachine>, transfer: ArrayBuffer[]) => this.parent.post(envelope, transfer);
    const end = () => this.parent.close();
    const machines = new ThreadMachines(post, regions, end, isFirst ? FIRST_THREAD : task.thread);
    try {
      if (isFirst) await machines.open(task);
      else await machines.join(task);
      this.tell(isFirst ? { machine: FIRST_MACHINE, message: { kind: 'ready' } } : { kind: 'joined' });
      return machines;
    } catch (error) {
      const failure = { kind: 'failed', error: toWireError(error) } as const;
      this.tell(isFirst ? { machine: FIRST_MACHINE, message: failure } : failure);
      this.parent.close();
      return undefined;
    }
  }

  private async handle(machines: ThreadMachines | undefined, message: ToThread): Promise<void> {
    if ('machine' in message || message.kind !== 'shut-down') {
      machines?.receive(message);
      return;
    }
    await machines?.shutDown();
    this.tell({ kind: 'shut-down' });
    this.parent.close();
  }
}
