import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CommitOptions, commitCheckpoint } from './checkpoint-commit.ts';
import { type CreateOptions, createCheckpoint } from './checkpoint-create.ts';
import { type ForkCommandOptions, fork as forkMachines } from './checkpoint-fork.ts';
import { type ListOptions, listCheckpoints, type ShowOptions, showCheckpoint } from './checkpoint-list.ts';
import { exportToFile, type ImportCommandOptions, importFile } from './checkpoint-portable.ts';
import { type RestoreCommandOptions, restoreCheckpoint } from './checkpoint-restore.ts';
import {
  deleteCheckpoints,
  renameCheckpoint,
  type StoreOptions,
  type VerifyOptions,
  verifyCheckpoints,
} from './checkpoint-store.ts';
import { addContinueOptions } from './continue-options.ts';
import { addSessionOptions } from './session-options.ts';

const HELP = `
A checkpoint is a machine as it was at one moment: memory, devices and disks. It is named by its
name, its id, or the beginning of its id. Checkpoints are in ~/.local/share/godwit/checkpoints, or
where --store says.

Examples:
  godwit run --name web1 --disk work.qcow2           in one terminal, and in another:
  godwit checkpoint create before-upgrade            it goes on after a millisecond
  godwit checkpoint list
  godwit checkpoint restore before-upgrade           as godwit run does, from there on
  godwit checkpoint fork before-upgrade --count 3    three, each with its own random numbers
  godwit checkpoint fork --machine web1              another one like the running web1
  godwit checkpoint export before-upgrade web1.godwit
`;

const CREATE_HELP = `
The machine goes on while the checkpoint is written. Its disks are copied into the checkpoint, and
the machine has them back afterwards. With --keep-disk nothing is copied: the images belong to the
checkpoint from then on, are read-only, and must stay where they are, under names such as
work.qcow2.1f2e3d4c; the machine goes on over a copy-on-write image, which has the disk's own name.
"godwit checkpoint commit" copies them later. Disks that are gone when their machine ends are always
copied.
`;

function count(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 1000)
    throw new InvalidArgumentError('It is a number from 1 to 1000.');
  return number;
}

/** All of `godwit checkpoint`. */
export function addCheckpointCommands(godwit: Command): void {
  const checkpoint = godwit
    .command('checkpoint')
    .description('keep machines as they are, while they run, and go on from there')
    .addHelpText('after', HELP);
  const command = (usage: string, description: string): Command =>
    checkpoint
      .command(usage)
      .description(description)
      .option('--store <folder>', 'the folder of all checkpoints')
      .option('--debug', 'print stack traces with errors');

  command('create [name]', 'keep a running machine as it is now; it goes on')
    .option('-m, --machine <name>', 'which machine; may be left out when only one runs')
    .option('--paused', 'let the machine stand still until the checkpoint is complete')
    .addOption(new Option('--keep-disk', 'do not copy its disks').conflicts('copyDisk'))
    .option('--copy-disk', 'copy its disks (default)')
    .option('--full', 'write all of memory, also what the checkpoint before it has')
    .option('--json', 'as a JSON object')
    .addHelpText('after', CREATE_HELP)
    .action(async (name: string | undefined, options: CreateOptions) => {
      process.exitCode = await createCheckpoint(name, options);
    });
  command('list', 'all checkpoints, as a tree')
    .alias('ls')
    .option('--json', 'as a JSON array')
    .action((options: ListOptions) => listCheckpoints(options));
  command('show <checkpoint>', 'what there is to know about a checkpoint')
    .option('--json', 'as a JSON object')
    .action((reference: string, options: ShowOptions) => showCheckpoint(reference, options));
  const restore = command('restore <checkpoint>', 'a machine that goes on from a checkpoint, on this terminal');
  addContinueOptions(addSessionOptions(restore))
    .option('--disks <folder>', 'where its disks are kept (default: what it writes is gone when it ends)')
    .action(async (reference: string, options: RestoreCommandOptions) => {
      process.exitCode = await restoreCheckpoint(reference, options);
    });
  const fork = command(
    'fork [checkpoint]',
    'several machines that go on from a checkpoint, or from a running machine, and share memory',
  );
  addContinueOptions(fork)
    .option('-m, --machine <name>', 'go on from where this machine is now, in place of a checkpoint')
    .option('-n, --count <number>', 'how many', count, 1)
    .option('--name <name>', 'their names begin with it (default: the name of the checkpoint or machine)')
    .option('--json', 'one JSON object per line, in place of the console output of all')
    .action(async (reference: string | undefined, options: ForkCommandOptions) => {
      process.exitCode = await forkMachines(reference, options);
    });
  command(
    'export <checkpoint> <file>',
    'put a checkpoint with all that it needs into one file; -: standard output',
  ).action(async (reference: string, file: string, options: StoreOptions) => {
    process.exitCode = await exportToFile(reference, file, options);
  });
  command('import <file>', 'make a checkpoint of a file that was exported, here or elsewhere; -: standard input')
    .option('--name <name>', 'another name than it had')
    .option('--fresh-id', 'so that the same checkpoint can be there twice')
    .action(async (file: string, options: ImportCommandOptions) => {
      process.exitCode = await importFile(file, options);
    });
  command('delete <checkpoint...>', 'remove checkpoints; those that build on them stay whole')
    .alias('rm')
    .action((references: string[], options: StoreOptions) => deleteCheckpoints(references, options));
  command('rename <checkpoint> <name>', 'give a checkpoint another name').action(
    (reference: string, name: string, options: StoreOptions) => renameCheckpoint(reference, name, options),
  );
  command('commit <checkpoint>', 'copy disks into a checkpoint that was made with --keep-disk')
    .option('--merge', "bring the machine's disk back into the image that was kept; no other image may lie over it")
    .action(async (reference: string, options: CommitOptions) => {
      process.exitCode = await commitCheckpoint(reference, options);
    });
  command(
    'verify [checkpoint...]',
    'read everything that checkpoints need, and say what is wrong; without a name, all of them',
  )
    .option('--json', 'as a JSON array')
    .action(async (references: string[], options: VerifyOptions) => {
      process.exitCode = await verifyCheckpoints(references, options);
    });
}
