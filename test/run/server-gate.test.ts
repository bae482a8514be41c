/** The gate of a machine as services run it. */
import { expect, it } from 'vitest';
import type { FromMachine } from '../../src/api/actions.ts';
import { DirectCompiler } from '../../src/execute/jit/compiler.ts';
import { TRANSLATION_DEFAULTS } from '../../src/machine/engine.ts';
import { HoldingGate } from '../../src/run/output-gate.ts';
import { receive } from '../../src/service/machine/actions.ts';
import { openMachine } from '../../src/service/machine/open-machine.ts';
import type { RunningMachine } from '../../src/service/machine/running-machine.ts';
import { ThreadMachines } from '../../src/service/machine/thread-machines.ts';
import { echoing } from '../api/programs.ts';

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('holds what a machine prints and that it has ended, in their order, and answers at once', async () => {
  const seen: string[] = [];
  const see = (message: FromMachine) => {
    if (message.kind === 'output') seen.push(new TextDecoder().decode(message.bytes));
    else if (message.kind !== 'reply') seen.push(message.kind);
  };
  const host = new ThreadMachines(
    ({ message }) => see(message),
    new DirectCompiler(() => performance.now()),
    () => {},
  );
  const gate = new HoldingGate({ position: () => 1, limitBytes: 1e6 });
  const configuration = {
    kernel: echoing(),
    memoryBytes: 16 * 1024 ** 2,
    disks: [],
    consolePort: 'uart',
    terminal: { columns: 80, rows: 24 },
    seed: new Uint8Array(32),
    translation: TRANSLATION_DEFAULTS,
  } as const;
  const late: { machine?: RunningMachine } = {};
  await host.add(async (send) => {
    late.machine = await openMachine(configuration, send, host, gate);
    return late.machine;
  });
  receive(late.machine!, { kind: 'request', id: 1, action: 'start', parameters: undefined });
  const type = (text: string) =>
    receive(late.machine!, {
      kind: 'request',
      id: 2,
      action: 'input',
      parameters: { bytes: new TextEncoder().encode(text) },
    });
  type('hi');
  while (gate.heldCount < 1) await delay(10);
  type('q');
  while (gate.heldCount < 2) await delay(10);
  await delay(300);
  expect(seen).toEqual([]);
  gate.openUpTo(0);
  expect(seen).toEqual([]);
  gate.openUpTo(1);
  while (seen.at(-1) !== 'ended') await delay(10);
  expect(seen.slice(0, -1).join('')).toBe('hiq');
  expect(seen.at(-1)).toBe('ended');
});
