/** What executes the guest, for all commands that run one. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EngineName, MachineOptions, Optimization } from '../api/index.ts';
import { ENGINES, OPTIMIZATION_NAMES } from '../api/options.ts';

export interface EngineOptions {
  readonly engine: EngineName;
  readonly jitThreshold?: number;
  readonly without: readonly Optimization[];
}

export function addEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--engine <which>', 'translate what runs often (jit), or interpret everything')
        .choices(ENGINES)
        .default('jit'),
    )
    .option('--jit-threshold <visits>', 'translate code when control came to it so often (default: 2500)', wholeNumber)
    .option(
      '--without <names>',
      `leave optimisations of the engine out: ${OPTIMIZATION_NAMES.join(', ')} (repeatable)`,
      collectNames,
      [],
    );
}

/** As the library takes them. */
export function engineOptionsOf({ engine, jitThreshold, without }: EngineOptions): MachineOptions {
  return { engine, without, ...(jitThreshold === undefined ? {} : { jitThreshold }) };
}

function collectNames(text: string, before: readonly string[]): string[] {
  return [...before, ...text.split(',').filter((name) => name !== '')];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}
