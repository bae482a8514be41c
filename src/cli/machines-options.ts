import { type Command, InvalidArgumentError } from 'commander';
import { type AttachOptions, attach } from './attach.ts';
import { type CopyCommandOptions, copy } from './copy.ts';
import { type ExecCommandOptions, exec } from './exec.ts';
import { type ListOptions, listRunning, pauseMachine, resumeMachine, stopMachine } from './machines.ts';

const STACKS = ['--debug', 'print stack traces with errors'] as const;

const ATTACH_HELP = `
The last of what the machine printed is shown first. Ctrl-A d leaves again, and the machine goes on; Ctrl-A h shows what else Ctrl-A does.
Any number of terminals can be attached at once; the guest's terminal is as large as the window of who typed last. Nothing waits for a
terminal that is slow: it loses old output, and says so.

Input and output may be pipes. The end of the input detaches nobody: \`timeout 5 godwit attach web1 < commands\`.

Exit status: the machine's when it ends meanwhile, 0 when this terminal is detached; 1: godwit itself failed, 2: the command makes no
sense; 128 and the signal's number: a signal ended it.
`;

const WAIT = [
  '--wait <seconds>',
  'how long to wait for the agent, as of a guest that boots',
  parseSeconds,
  30,
] as const;

function parseSeconds(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('It is a whole number of seconds.');
  return Number(text);
}

const EXEC_HELP = `
The exit status is the command's: 128 and the signal's number when a signal ended it, 127 when the guest has no such
program, 126 when it cannot be executed, and 125 when godwit could not run it. Ctrl-C goes to the command; once more, it
ends godwit, and the command is killed. Options come before the machine's name.

Examples:
  godwit exec web1 -- uname -a
  godwit exec web1 -- sh -c 'ps | grep nginx'
  godwit exec -it web1 -- sh                         a shell on this terminal
  godwit exec -i web1 -- tar x -C /srv < site.tar
`;

const COPY_HELP = `
Into a folder that exists, under the source's name, or else as the path that is given. A file appears under its name
when it is whole. Links are copied as links. In the guest all belongs to root.

Examples:
  godwit cp site web1:/srv
  godwit cp web1:/var/log/messages .
`;

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** `ps`, `attach`, `pause`, `resume`, `stop`, `exec`, `cp`. */
export function addMachineCommands(godwit: Command): void {
  godwit
    .command('ps')
    .description('list the machines that run, in whichever process')
    .option('--json', 'as a JSON array')
    .option(...STACKS)
    .action((options: ListOptions) => listRunning(options));
  godwit
    .command('attach [name]')
    .alias('console')
    .description('the console of a machine that runs in another process, on this terminal')
    .option('--no-input', 'only look: what is typed here does not reach the machine')
    .option(...STACKS)
    .addHelpText('after', ATTACH_HELP)
    .action(async (name: string | undefined, options: AttachOptions) => {
      process.exitCode = await attach(name, options);
    });
  godwit
    .command('pause <name>')
    .description('hold a machine: no instruction executes, and its time stands still')
    .option(...STACKS)
    .action((name: string) => pauseMachine(name));
  godwit
    .command('resume <name>')
    .description('let a machine go on that is paused')
    .option(...STACKS)
    .action((name: string) => resumeMachine(name));
  godwit
    .command('stop <name>')
    .description('end a machine as if its power failed; what it wrote to its disks is kept')
    .option(...STACKS)
    .action((name: string) => stopMachine(name));
  godwit
    .command('exec <name> <command...>')
    .description("run a command in a machine's guest, by the agent there")
    .passThroughOptions()
    .option('-i, --interactive', 'pass standard input on')
    .option('-t, --tty', 'give it a terminal; with -i, this one')
    .option('-e, --env <name[=value]>', 'a variable of its environment (repeatable)', collect)
    .option('-w, --workdir <folder>', "where it is started (default: the user's home)")
    .option('-u, --user <user>', 'a user of the guest, by name or number (default: root)')
    .option(...WAIT)
    .option(...STACKS)
    .addHelpText('after', EXEC_HELP)
    .action(async (name: string, command: string[], options: ExecCommandOptions) => {
      // All behind the name is passed through, the "--" included that may stand before the command.
      process.exitCode = await exec(name, command[0] === '--' ? command.slice(1) : command, options);
    });
  godwit
    .command('cp <from> <to>')
    .description(
      "copy files and folders into a machine's guest or out of it, by the agent there; a path there is NAME:PATH",
    )
    .option(...WAIT)
    .option(...STACKS)
    .addHelpText('after', COPY_HELP)
    .action(async (from: string, to: string, options: CopyCommandOptions) => {
      process.exitCode = await copy(from, to, options);
    });
}
