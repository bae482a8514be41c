/** What performs each action of api/actions.ts on a machine. */
import type { ActionName, ActionRequest, MachineActions, ToMachine } from '../../api/actions.ts';
import type { ForkReport } from '../../api/checkpoint.ts';
import type { RecordOptions } from '../../api/recording.ts';
import { toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import type { RunningMachine } from './running-machine.ts';

type Perform<Name extends ActionName> = MachineActions[Name]['result'] extends undefined
  ? (machine: RunningMachine, parameters: MachineActions[Name]['parameters']) => void
  : (
      machine: RunningMachine,
      parameters: MachineActions[Name]['parameters'],
    ) => MachineActions[Name]['result'] | Promise<MachineActions[Name]['result']>;

/** One for each declared action, and none beside them: the compiler sees to both. */
export const PERFORM: { readonly [Name in ActionName]: Perform<Name> } = {
  start: (machine) => machine.start(),
  pause: (machine) => machine.runner.pause(),
  resume: (machine) => machine.runner.resume(),
  stop: (machine) => machine.stop(),
  statistics: (machine) => machine.statistics(),
  input: (machine, { bytes }) => machine.type(bytes),
  resize: (machine, { columns, rows }) => machine.runner.resize(columns, rows),
  checkpoint: (machine, options) => {
    machine.requireLife();
    return machine.checkpoints.create(options);
  },
  'cancel-checkpoint': (machine) => machine.checkpoints.cancel(),
  fork,
  record,
  'stop-recording': (machine, { path }) => machine.recordings.stop(path),
  'save-flight': (machine, options) => machine.recordings.saveFlight(options.path, options),
  debug: (machine, options) => {
    machine.requireLife();
    return machine.debugger.listen(options);
  },
  'agent-start': (machine, options) => machine.agent.start(options),
  'agent-write': (machine, { request, bytes, end = false }) => machine.agent.write(request, bytes, end),
  'agent-read': (machine, { request }) => machine.agent.read(request),
  'agent-signal': (machine, { request, signal }) => machine.agent.signal(request, signal),
  'agent-resize': (machine, { request, size }) => machine.agent.resize(request, size),
  'agent-cancel': (machine, { request }) => machine.agent.cancel(request),
};

function record(machine: RunningMachine, { path, replace = false, lastMinutes }: RecordOptions): Promise<void> {
  machine.requireLife();
  const { recordings } = machine;
  return lastMinutes === undefined
    ? recordings.start(path, { replace })
    : recordings.startFlight(path, lastMinutes, { replace });
}

async function fork(machine: RunningMachine, options: MachineActions['fork']['parameters']): Promise<ForkReport> {
  machine.requireLife();
  const { host, checkpoints } = machine;
  const { thread = host.thread, identity = 'fresh', clock = 'follow', start = true } = options;
  if (identity === 'same' && machine.awaitsIdentity) {
    throw new GodwitError(
      'state',
      'The machine has no identity yet that a fork could share: it gets one when it starts.',
      {
        hint: 'Start it first, or restore or fork it with the same identity.',
      },
    );
  }
  const { snapshot, disks, replies, pauseMs } = await checkpoints.freezeForFork();
  const { state, memory } = snapshot;
  const request = { state, disks, replies, parent: checkpoints.parentCheckpoint, identity, clock, start };
  const number =
    thread === host.thread ? await host.fork(memory, request) : await host.forkElsewhere(thread, memory, request);
  return { thread, machine: number, pauseMs, started: start };
}

/** A message to the machine. Requests are answered, with an error too. */
export function receive(machine: RunningMachine, message: ToMachine): void {
  if (message.kind === 'consumed') machine.output.acknowledge(message.bytes);
  else void answer(machine, message);
}

async function answer(machine: RunningMachine, { id, action, parameters }: ActionRequest): Promise<void> {
  try {
    const perform = PERFORM[action] as (machine: RunningMachine, parameters: unknown) => unknown;
    machine.send({ kind: 'reply', id, result: await perform(machine, parameters) });
  } catch (error) {
    machine.send({ kind: 'refusal', id, error: toWireError(error) });
  }
}
