import { type Command, Option } from 'commander';
import { CLOCKS, type ContinueOptions, IDENTITIES } from '../api/checkpoint.ts';

/** `when`: in front of the description, such as "with --live: ". */
export function identityOption(when = ''): Option {
  const text = 'another machine (fresh: its own random numbers, and the guest is told) or the same one again (same)';
  return new Option('--identity <which>', `${when}${text}; default: fresh`).choices(IDENTITIES);
}

export function clockOption(when = ''): Option {
  const text =
    'after an absence intervals stay true and the wall clock is right (follow); guest time makes up for all of it ' +
    'when the guest rests (steps); or clocks go on from where they were (keep)';
  return new Option('--clock <which>', `${when}${text}; default: follow`).choices(CLOCKS);
}

export function addContinueOptions(command: Command): Command {
  return command.addOption(identityOption()).addOption(clockOption());
}

/** Those that were given. */
export function continueOptionsOf({ identity, clock }: ContinueOptions): ContinueOptions {
  return { ...(identity !== undefined && { identity }), ...(clock !== undefined && { clock }) };
}
