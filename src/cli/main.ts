#!/usr/bin/env node
import '../platform/node/install.ts';
import { Command, CommanderError, Option } from 'commander';
import { VERSION } from '../common/version.ts';
import { addCheckpointCommands } from './checkpoint-options.ts';
import { type DiskCreateOptions, diskCommit, diskCreate, diskInfo } from './disk.ts';
import { EXIT_USAGE, reportError } from './errors.ts';
import { type GuestCommandOptions, guest } from './guest.ts';
import { addMachineCommands } from './machines-options.ts';
import { OutputClosed, OutputWatch } from './output.ts';
import { addRecordCommands } from './record-options.ts';
import { replay } from './replay.ts';
import { addReplayOptions, type ReplayCommandOptions } from './replay-options.ts';
import { run } from './run.ts';
import { addRunOptions, type RunOptions } from './run-options.ts';

/** Texts of our own have as many at most. */
const HELP_COLUMNS = 100;

function program(): Command {
  const godwit = new Command('godwit')
    .description('Runs 64-bit RISC-V Linux in a virtual machine of TypeScript and WebAssembly.')
    .version(VERSION, '-V, --version')
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ helpWidth: HELP_COLUMNS })
    .showHelpAfterError('(godwit --help, or godwit COMMAND --help, tells what there is)');
  addRunOptions(godwit.command('run').description("boot a machine; without a kernel, Debian's, to a shell")).action(
    async (options: RunOptions) => {
      process.exitCode = await run(options);
    },
  );
  addReplayOptions(godwit.command('replay <file>').description('show what `run --record` recorded')).action(
    async (file: string, options: ReplayCommandOptions) => {
      process.exitCode = await replay(file, options);
    },
  );
  addMachineCommands(godwit);
  addCheckpointCommands(godwit);
  addRecordCommands(godwit);
  godwit
    .command('guest')
    .description("fetch and build what `run` boots: Debian's kernel and an initramfs")
    .option('--debian', 'the Debian disk as well')
    .option('--refresh', 'look for newer packages')
    .option('--debug', 'print stack traces with errors')
    .action((options: GuestCommandOptions) => guest(options));
  const disk = godwit.command('disk').description('make disk images and look at them');
  disk
    .command('create <file> [size]')
    .description('make an empty image, such as `disk create d.qcow2 10G`')
    .addOption(new Option('-f, --format <format>', 'default: qcow2').choices(['qcow2', 'raw']))
    .option('--backing <file>', 'an image that the new one shows until it is written; the size may be left out then')
    .option('--debug', 'print stack traces with errors')
    .action((file: string, size: string | undefined, options: DiskCreateOptions) => diskCreate(file, size, options));
  disk
    .command('info <file>')
    .description("an image's format and size, and what lies under it")
    .option('--debug', 'print stack traces with errors')
    .action((file: string) => diskInfo(file));
  disk
    .command('commit <file>')
    .description('bring what an image holds into the image under it')
    .option('--debug', 'print stack traces with errors')
    .action(async (file: string) => {
      process.exitCode = await diskCommit(file);
    });
  return godwit;
}

/** Gives the exit status; undefined: the command has set it. */
async function main(): Promise<number | undefined> {
  const output = new OutputWatch();
  let error = await program()
    .parseAsync()
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  // Commander has printed its message.
  if (error instanceof CommanderError && error.exitCode !== 0) return EXIT_USAGE;
  if (error === undefined || error instanceof CommanderError) error = await output.failure();
  if (error === undefined || error instanceof OutputClosed) return undefined;
  return reportError(error, process.argv.includes('--debug'));
}

/** A mistake outside of any command: the terminal is restored at exit. */
function breakDown(error: unknown): void {
  process.exit(reportError(error, process.argv.includes('--debug')));
}

process.on('uncaughtException', breakDown);
process.exitCode = (await main()) ?? process.exitCode;
