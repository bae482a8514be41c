import type { MachineEnd } from '../../api/events.ts';
import type { Finish } from '../../device/finisher/test-finisher.ts';

const EXIT_CODE_LIMIT = 255;

/** How a machine ended whose guest finished so; undefined: it was stopped. */
export function endOf(finish: Finish | undefined): Pick<MachineEnd, 'reason' | 'exitCode'> {
  if (finish === undefined) return { reason: 'stopped', exitCode: 0 };
  const code = Math.min(finish.code, EXIT_CODE_LIMIT);
  if (finish.kind === 'pass') return { reason: 'power-off', exitCode: code };
  return { reason: 'failure', exitCode: Math.max(code, 1) };
}
