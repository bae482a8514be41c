import { GodwitError } from '../common/errors.ts';

/**
 *     created --start--> running <--pause/resume--> paused
 *         |                 |                         |
 *         +---- stop -------+---- stop, guest --------+----> ended
 *                           +---- a mistake of ours --+----> failed
 */
export type MachineStatus = 'created' | 'running' | 'paused' | 'ended' | 'failed';

const IS: Readonly<Record<MachineStatus, string>> = {
  created: 'has not been started',
  running: 'is running already',
  paused: 'has been started already',
  ended: 'has ended',
  failed: 'broke down',
};

/** `to`: as in "The machine cannot <be paused>". Throws GodwitError('state') unless the status is one of these. */
export function requireStatus(status: MachineStatus, to: string, from: readonly MachineStatus[]): void {
  if (!from.includes(status)) throw new GodwitError('state', `The machine cannot ${to}: it ${IS[status]}.`);
}
