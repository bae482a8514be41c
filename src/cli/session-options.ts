import { type Command, InvalidArgumentError } from 'commander';
import { DEBUG_ADDRESS, parseDebugAddress } from '../api/debug.ts';
import { GodwitError } from '../common/errors.ts';
import { assertMachineName } from '../service/control/machine-name.ts';
import type { SessionOptions } from './session.ts';

/** What can be said of any machine on this terminal, and does not concern what it is made from. */
export function addSessionOptions(command: Command): Command {
  return command
    .option('--headless', 'no input: print what the guest prints until it ends')
    .option('--json', 'one JSON object per line on standard output, in place of plain console output')
    .option('--stats', 'print statistics at the end')
    .option('--record <file>', 'record the machine, for `godwit replay`')
    .option('--flight-recorder <minutes>', 'with --record: keep only the last minutes', parseMinutes)
    .option(
      '--gdb <port|path>',
      'let gdb connect, to a TCP port or a unix socket: target remote :PORT',
      parseDebugAddress,
    )
    .option('--gdb-stopped', 'with --gdb: execute nothing until gdb lets the machine go')
    .option('--name <name>', 'what other processes find it by: `godwit ps` (default: machine-1, machine-2, ...)');
}

export function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (!(Number.isFinite(minutes) && minutes > 0))
    throw new InvalidArgumentError('It is a number of minutes, such as 5.');
  return minutes;
}

/** Options that contradict one another. Throws GodwitError('usage'). */
export function refuseSessionNonsense(options: SessionOptions): void {
  if (options.name !== undefined) assertMachineName(options.name);
  if (options.gdb !== undefined) DEBUG_ADDRESS.parse(options.gdb, '--gdb');
  if (options.flightRecorder !== undefined && options.record === undefined) {
    throw new GodwitError('usage', '--flight-recorder needs --record, for the file that the last minutes go to.');
  }
  if (options.gdbStopped && options.gdb === undefined) {
    throw new GodwitError('usage', '--gdb-stopped needs --gdb: nobody could let the machine go.');
  }
  if (options.json && options.stats)
    throw new GodwitError('usage', '--json has the statistics in its last line: leave --stats out.');
}
