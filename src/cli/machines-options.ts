import type { Command } from 'commander';
import { type ListOptions, listRunning, pauseMachine, resumeMachine, stopMachine } from './machines.ts';

const STACKS = ['--debug', 'print stack traces with errors'] as const;

/** `ps`, `pause`, `resume`, `stop`. */
export function addMachineCommands(godwit: Command): void {
  godwit
    .command('ps')
    .description('list the machines that run, in whichever process')
    .option('--json', 'as a JSON array')
    .option(...STACKS)
    .action((options: ListOptions) => listRunning(options));
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
