/**
 * `godwit checkpoint fork`: several machines that go on from one checkpoint, or from a running machine, in this
 * process.
 */
import type { ContinueOptions } from '../api/checkpoint.ts';
import type { MachineEnd } from '../api/index.ts';
import { GodwitError } from '../common/errors.ts';
import { ControlServer } from '../service/control/control-server.ts';
import { Machine } from '../service/machine/machine.ts';
import { makeCheckpoint } from './checkpoint-create.ts';
import { factsOf } from './checkpoint-restore.ts';
import { deleteCheckpoints, type StoreOptions, withStore } from './checkpoint-store.ts';
import { continueOptionsOf } from './continue-options.ts';
import { EXIT_FAILURE } from './errors.ts';
import { LinePrefixer } from './line-prefixer.ts';
import { writeAll } from './output.ts';
import { Signals } from './signals.ts';

export interface ForkCommandOptions extends StoreOptions, ContinueOptions {
  readonly count: number;
  readonly name?: string;
  readonly machine?: string;
  readonly json?: boolean;
}

/** Runs until all have ended. Gives the exit status: the first that is not 0. */
export async function fork(reference: string | undefined, options: ForkCommandOptions): Promise<number> {
  const { machine } = options;
  if ((reference === undefined) === (machine === undefined)) {
    throw new GodwitError('usage', 'Either a checkpoint is forked, or a running machine.', {
      hint: 'Name the checkpoint, or the machine with --machine.',
    });
  }
  return reference === undefined ? await forkRunning(machine!, options) : await forkCheckpoint(reference, options);
}

/** By a checkpoint, which is gone when the forks are. */
async function forkRunning(machine: string, { store, ...options }: ForkCommandOptions): Promise<number> {
  const stored = store === undefined ? {} : { store };
  const name = `fork-${process.pid}-${Date.now().toString(36)}`;
  const { report, exitCode } = await makeCheckpoint(name, { ...stored, machine, apart: true });
  if (!report) return exitCode ?? EXIT_FAILURE;
  try {
    return exitCode ?? (await forkCheckpoint(report.id, { name: machine, ...options, ...stored }));
  } finally {
    await deleteCheckpoints([report.id], stored);
  }
}

async function forkCheckpoint(reference: string, options: ForkCommandOptions): Promise<number> {
  const facts = await factsOf(reference, options);
  const name = options.name ?? (await withStore(options, (store) => store.show(reference))).name ?? 'fork';
  const machines: Machine[] = [];
  const controls: ControlServer[] = [];
  const signals = new Signals(() => void Promise.all(machines.map((machine) => machine.stop())));
  signals.listen();
  try {
    const goOn = continueOptionsOf(options);
    const { store } = options;
    const ends: Promise<MachineEnd>[] = [];
    const begin = async (machine: Machine, number: number): Promise<void> => {
      const forkName = `${name}-${number}`;
      controls.push(await ControlServer.open({ ...facts, machine, name: forkName }));
      ends[number - 1] = run(machine, forkName, options);
      // It is told below.
      ends[number - 1]!.catch(() => {});
      await announce(forkName, options);
    };
    const first = await Machine.restore(reference, { ...goOn, ...(store === undefined ? {} : { store }) });
    machines.push(first);
    while (machines.length < options.count && signals.exitCode === undefined) {
      const fork = await first.fork({ ...goOn, start: false });
      machines.push(fork);
      await begin(fork, machines.length);
    }
    if (signals.exitCode !== undefined) return signals.exitCode;
    // The one that the others are forks of goes on last: each of them goes on from the checkpoint itself.
    await begin(first, 1);
    const ended = await Promise.all(ends);
    return signals.exitCode ?? ended.find(({ exitCode }) => exitCode !== 0)?.exitCode ?? 0;
  } catch (error) {
    // What was stopped under way says that it has ended.
    if (signals.exitCode !== undefined && error instanceof GodwitError && error.code === 'state')
      return signals.exitCode;
    throw error;
  } finally {
    signals.ignore();
    // One that has failed says so here once more.
    await Promise.allSettled(machines.map((machine) => machine.stop()));
    await Promise.all(controls.map((control) => control.close()));
  }
}

/** As soon as it runs: others find it by this name. */
async function announce(name: string, { json }: ForkCommandOptions): Promise<void> {
  if (json) await writeAll(process.stdout, `${JSON.stringify({ machine: name, event: 'started' })}\n`);
  else await writeAll(process.stdout, `${name} runs. Its console: godwit attach ${name}\n`);
}

async function run(machine: Machine, name: string, options: ForkCommandOptions): Promise<MachineEnd> {
  // Where it does not start it has ended, and that is what following it comes to.
  try {
    const [end] = await Promise.all([follow(machine, name, options), machine.start().catch(() => {})]);
    return end;
  } catch (error) {
    if (!(error instanceof GodwitError)) throw error;
    const { code, message, hint } = error;
    throw new GodwitError(code, `${name}: ${message}`, { cause: error, ...(hint === undefined ? {} : { hint }) });
  }
}

/** Prints what a machine prints from now on, by whole lines. */
async function follow(machine: Machine, name: string, { json }: ForkCommandOptions): Promise<MachineEnd> {
  const say = (event: object): Promise<void> =>
    writeAll(process.stdout, `${JSON.stringify({ machine: name, ...event })}\n`);
  const lines = new LinePrefixer(`${name} | `);
  const decoder = new TextDecoder();
  for await (const bytes of machine.console) {
    const text = decoder.decode(bytes, { stream: true });
    if (json) await say({ event: 'console', text });
    else await writeAll(process.stdout, lines.feed(text));
  }
  if (!json) await writeAll(process.stdout, lines.end());
  const end = await machine.finished;
  if (json) await say({ event: 'ended', ...end });
  return end;
}
