/** `godwit record` and `godwit gdb`: of machines that run in other processes. */
import { resolve } from 'node:path';
import { formatByteSize, type RecordingReport } from '../api/index.ts';
import { withMachine } from './machines.ts';
import { writeAll } from './output.ts';

export interface MachineChoice {
  readonly machine?: string;
}

export interface RecordStartOptions extends MachineChoice {
  readonly flightRecorder?: number;
  readonly replace?: boolean;
}

export interface RecordStopOptions extends MachineChoice {
  readonly json?: boolean;
}

export interface RecordSaveOptions extends MachineChoice {
  readonly replace?: boolean;
}

export interface GdbOptions {
  readonly stopped?: boolean;
}

export async function startRecording(file: string, options: RecordStartOptions): Promise<void> {
  const { flightRecorder: lastMinutes, replace = false, machine: name } = options;
  const wanted = { path: resolve(file), replace, ...(lastMinutes === undefined ? {} : { lastMinutes }) };
  await withMachine(name, (machine) => machine.request('record', wanted));
}

export async function stopRecording(
  file: string | undefined,
  { machine: name, json }: RecordStopOptions,
): Promise<void> {
  const path = file === undefined ? {} : { path: resolve(file) };
  const report = await withMachine(name, (machine) => machine.request('stop-recording', path));
  await writeAll(process.stdout, json ? `${JSON.stringify(report)}\n` : describe(report));
}

function describe({ path, fileBytes, events }: RecordingReport): string {
  return `${path}: ${formatByteSize(fileBytes)}, with ${events} events.\n`;
}

export async function saveRecording(
  file: string,
  { machine: name, replace = false }: RecordSaveOptions,
): Promise<void> {
  const path = resolve(file);
  const bytes = await withMachine(name, (machine) => machine.request('save-flight', { path, replace }));
  await writeAll(process.stdout, `${path}: ${formatByteSize(bytes)}.\n`);
}

export async function letGdbConnect(
  name: string,
  address: number | string,
  { stopped = false }: GdbOptions,
): Promise<void> {
  const listen = typeof address === 'string' ? resolve(address) : address;
  const reached = await withMachine(name, (machine) => machine.request('debug', { listen, stopped }));
  await writeAll(process.stdout, `target remote ${reached}\n`);
}
