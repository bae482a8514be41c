/** `godwit checkpoint fork`: several machines that go on from one checkpoint, in this process. */
import type { MachineEnd } from '../api/index.ts';
import { ControlServer } from '../platform/node/control-server.ts';
import { Machine } from '../platform/node/machine.ts';
import { factsOf } from './checkpoint-restore.ts';
import { type StoreOptions, withStore } from './checkpoint-store.ts';
import { writeAll } from './front.ts';
import { LinePrefixer } from './line-prefixer.ts';
import { Signals } from './signals.ts';

export interface ForkCommandOptions extends StoreOptions {
  readonly count: number;
  readonly name?: string;
  readonly json?: boolean;
}

/** Runs until all have ended. Gives the exit status: the first that is not 0. */
export async function forkCheckpoint(reference: string, options: ForkCommandOptions): Promise<number> {
  const facts = await factsOf(reference, options);
  const name = options.name ?? (await withStore(options, (store) => store.show(reference))).name ?? 'fork';
  const machines: Machine[] = [];
  const controls: ControlServer[] = [];
  const signals = new Signals(() => void Promise.all(machines.map((machine) => machine.stop())));
  signals.listen();
  try {
    const first = await Machine.restore(reference, options.store === undefined ? {} : { store: options.store });
    machines.push(first);
    await first.start();
    while (machines.length < options.count && signals.exitCode === undefined) machines.push(await first.fork());
    for (const [index, machine] of machines.entries()) {
      controls.push(await ControlServer.open({ ...facts, machine, name: `${name}-${index + 1}` }));
    }
    const ends = await Promise.all(machines.map((machine, index) => follow(machine, `${name}-${index + 1}`, options)));
    return signals.exitCode ?? ends.find(({ exitCode }) => exitCode !== 0)?.exitCode ?? 0;
  } finally {
    signals.ignore();
    await Promise.all(machines.map((machine) => machine.stop()));
    await Promise.all(controls.map((control) => control.close()));
  }
}

/** Prints what a machine prints, by whole lines. */
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
