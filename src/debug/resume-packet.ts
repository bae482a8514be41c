import { parseAddress } from './hex.ts';
import type { Resume } from './stop.ts';

/** There is one hart, which debuggers see as thread 1. */
const THREADS = new Set(['', '1', '01', '-1', '0']);

/**
 * What the hart is to do after a `vCont` packet's actions (gdb manual, E.2), such as `;r80200000,80200010:1;c`: the first that is for
 * it. Undefined: the packet makes no sense, or none of it is for the hart.
 */
export function parseResume(actions: string): Resume | undefined {
  for (const action of actions.split(';').slice(1)) {
    const [what = '', thread = ''] = action.split(':');
    if (THREADS.has(thread)) return parseAction(what);
  }
  return undefined;
}

function parseAction(action: string): Resume | undefined {
  switch (action[0]) {
    // Signals, which a machine has no use for, are let go.
    case 'c':
    case 'C':
      return { kind: 'continue' };
    case 's':
    case 'S':
      return { kind: 'step' };
    case 'r': {
      const [start, end] = action.slice(1).split(',').map(parseAddress);
      return start === undefined || end === undefined ? undefined : { kind: 'range', start, end };
    }
    default:
      return undefined;
  }
}
