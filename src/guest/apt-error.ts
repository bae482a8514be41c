/** Tells a person what went wrong from what apt printed. */
import { GodwitError } from '../common/errors.ts';
import type { ProgramResult } from './process.ts';

/** What went wrong, told from what apt printed. */
export function aptError(doing: string, mirror: string, result: ProgramResult): GodwitError {
  const text = `${result.stderr}\n${result.stdout}`;
  const lines = text.split('\n').filter((line) => /^[EW]: |^Err:/.test(line));
  const detail = (lines.find((line) => line.startsWith('E: ')) ?? lines[0] ?? `status ${result.status}`).replace(
    /^[EW]: /,
    '',
  );
  const cause = new Error(lines.join('\n') || text.slice(-2000));
  if (
    /NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|not signed|GPG error|signature[s]? (couldn't|could not) be verified/i.test(
      text,
    )
  ) {
    return new GodwitError(
      'damaged',
      `The package lists of ${mirror} don't carry a good signature of Debian: ${detail}`,
      {
        hint: 'Update the package debian-archive-keyring on this machine, or try another mirror with GODWIT_MIRROR.',
        cause,
      },
    );
  }
  if (/Hash Sum mismatch|unexpected size/i.test(text)) {
    return new GodwitError('damaged', `What ${mirror} sent while ${doing} does not match the signed lists: ${detail}`, {
      hint: 'The mirror may be in the middle of an update; try again in a few minutes.',
      cause,
    });
  }
  if (/No space left|not have enough free space/i.test(text)) {
    return new GodwitError('full', `The disk is full while ${doing}.`, { hint: 'Free some space.', cause });
  }
  if (/Unable to locate package|No packages found|no installation candidate|Can't find/i.test(text)) {
    return new GodwitError('not-found', `${doing}: ${detail}`, { cause });
  }
  return new GodwitError('io', `apt failed while ${doing}: ${detail}`, {
    hint: 'Check that the network is up and that "apt-get update" works on this machine.',
    cause,
  });
}
