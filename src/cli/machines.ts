/** `godwit ps`, `pause`, `resume`, `stop`: machines that run in other processes. */
import type { DebuggerState } from '../api/debug.ts';
import { formatByteSize, GodwitError } from '../api/index.ts';
import { type ControlClient, findMachine, listMachines } from '../service/control/control-client.ts';
import type { MachineFacts } from '../service/control/control-protocol.ts';
import { writeAll } from './output.ts';
import { table } from './table.ts';

export interface ListOptions {
  readonly json?: boolean;
}

export async function listRunning({ json }: ListOptions): Promise<void> {
  const { machines, silent } = await listMachines();
  if (json) await writeAll(process.stdout, `${JSON.stringify(machines, null, 2)}\n`);
  else if (machines.length > 0) await writeAll(process.stdout, machineTable(machines));
  else process.stderr.write('No machine is running.\n');
  for (const { error } of silent) process.stderr.write(`godwit: ${error.message}\n`);
}

function machineTable(machines: readonly MachineFacts[]): string {
  const rows = machines.map(({ name, pid, status, memoryBytes, uptimeMs, debugger: debugging }) => [
    name,
    String(pid),
    status,
    formatByteSize(memoryBytes),
    formatDuration(uptimeMs),
    debugging === undefined ? '' : describeDebugger(debugging),
  ]);
  return table(['NAME', 'PID', 'STATUS', 'MEMORY', 'UPTIME', ''], rows);
}

function describeDebugger({ address, isConnected }: DebuggerState): string {
  return isConnected ? `held by gdb at ${address}` : `gdb can connect to ${address}`;
}

/** "2d 03:04:05", or "03:04:05". */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  const days = Math.floor(seconds / 86_400);
  return days > 0 ? `${days}d ${clock}` : clock;
}

export async function pauseMachine(name: string): Promise<void> {
  await withMachine(name, (machine) => machine.request('pause', undefined));
}

export async function resumeMachine(name: string): Promise<void> {
  await withMachine(name, (machine) => machine.request('resume', undefined));
}

/** It has ended when this resolves. */
export async function stopMachine(name: string): Promise<void> {
  await withMachine(name, async (machine) => {
    try {
      await machine.request('stop', undefined);
    } catch (error) {
      // Its process may be gone before it has answered.
      if (!(error instanceof GodwitError) || error.code !== 'io') throw error;
    }
  });
}

export async function withMachine<T>(
  name: string | undefined,
  action: (machine: ControlClient) => Promise<T>,
): Promise<T> {
  const machine = await findMachine(name);
  try {
    return await action(machine);
  } finally {
    machine.close();
  }
}
