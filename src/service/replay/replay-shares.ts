import { GodwitError } from '../../common/errors.ts';
import type { RecordedStart } from '../../recording/start.ts';

/**
 * A recording has what was read of shared folders, and not the folders as they were. Throws GodwitError('unsupported')
 * for a machine with some: `what` would need them.
 */
export function refuseShares({ shares = [] }: Pick<RecordedStart, 'shares'>, what: string): void {
  const [first] = shares;
  if (!first) return;
  throw new GodwitError('unsupported', `The recorded machine shares a folder at ${first.tag}: ${what} would need it.`, {
    hint: 'The recording has what was read of the folder, and not the folder as it was then. It can only be replayed.',
  });
}
