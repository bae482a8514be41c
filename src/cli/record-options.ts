import type { Command } from 'commander';
import { parseDebugAddress } from '../api/debug.ts';
import {
  type GdbOptions,
  letGdbConnect,
  type RecordSaveOptions,
  type RecordStartOptions,
  type RecordStopOptions,
  saveRecording,
  startRecording,
  stopRecording,
} from './record.ts';
import { parseMinutes } from './session-options.ts';

const STACKS = ['--debug', 'print stack traces with errors'] as const;
const MACHINE = ['-m, --machine <name>', 'which machine; may be left out when only one runs'] as const;

const HELP = `
Everything that reaches the machine from then on goes into one file, which "godwit replay" shows
again. A machine can be recorded in several files at a time. "godwit run --record FILE" records a
machine from its beginning.

Examples:
  godwit record start trouble.rec                    whatever the machine does from now on
  godwit record stop
  godwit replay trouble.rec
  godwit record start last.rec --flight-recorder 5   always the last five minutes
  godwit record save what-just-happened.rec          those minutes, while it goes on
`;

/** `record` and `gdb`. */
export function addRecordCommands(godwit: Command): void {
  const record = godwit
    .command('record')
    .description('record what a running machine does, for `godwit replay`')
    .addHelpText('after', HELP);
  record
    .command('start <file>')
    .description('record a machine from now on, until it ends or is told to stop')
    .option(...MACHINE)
    .option('--flight-recorder <minutes>', 'keep only the last minutes', parseMinutes)
    .option('--replace', 'a file of that name is replaced')
    .option(...STACKS)
    .action((file: string, options: RecordStartOptions) => startRecording(file, options));
  record
    .command('stop [file]')
    .description('end a recording, which is whole then; the file may be left out when there is only one')
    .option(...MACHINE)
    .option('--json', 'as a JSON object')
    .option(...STACKS)
    .action((file: string | undefined, options: RecordStopOptions) => stopRecording(file, options));
  record
    .command('save <file>')
    .description('make a recording of what the flight recorder keeps, which goes on')
    .option(...MACHINE)
    .option('--replace', 'a file of that name is replaced')
    .option(...STACKS)
    .action((file: string, options: RecordSaveOptions) => saveRecording(file, options));
  godwit
    .command('gdb <name> <port|path>')
    .description('let gdb connect to a machine that runs, over a TCP port or a unix socket')
    .option('--stopped', 'the machine stands from now on until gdb lets it go')
    .option(...STACKS)
    .action((name: string, address: string, options: GdbOptions) =>
      letGdbConnect(name, parseDebugAddress(address), options),
    );
}
