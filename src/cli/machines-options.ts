import type { Command } from 'commander';
import { type AttachOptions, attach } from './attach.ts';
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

/** `ps`, `attach`, `pause`, `resume`, `stop`. */
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
}
