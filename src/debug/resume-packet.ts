import { parseAddress } from './hex.ts';
import type { Resume } from './stop.ts';

/** Debuggers see hart n as thread n + 1: to them 0 is any thread, and -1 all. */
export function threadOf(hart: number): string {
  return (hart + 1).toString(16);
}

export function hartOf(thread: string): number {
  return Number.parseInt(thread, 16) - 1;
}

const ANY_THREAD = new Set(['', '-1', '0']);

function isFor(hart: number, thread: string): boolean {
  return ANY_THREAD.has(thread) || hartOf(thread) === hart;
}

/**
 * What the hart whose turn it is is to do after a `vCont` packet's actions (gdb manual, E.2), such as
 * `;r80200000,80200010:1;c`: the first that is for it. Undefined: the packet makes no sense, or none of it is for the
 * hart.
 */
export function parseResume(actions: string, hart: number): Resume | undefined {
  for (const action of actions.split(';').slice(1)) {
    const [what = '', thread = ''] = action.split(':');
    if (isFor(hart, thread)) return parseAction(what);
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
