import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Frees now what nobody needs any more, where V8 would wait until its own heap has grown: large buffers, and machine
 * code, of which its heap only sees small handles. Takes some milliseconds. Pages of the heap that are mostly empty are
 * emptied and given back; by itself V8 does that only to the worst of them, and a machine's thread kept twice what it
 * used.
 */
export function collectGarbage(): void {
  collect ??= collector();
  collect();
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('globalThis.gc');
  return typeof gc === 'function' ? () => compacting(gc as () => void) : () => {};
}

/** The flag is of all threads of the process, so it stands no longer than it must. */
function compacting(collectAll: () => void): void {
  setFlagsFromString('--compact-on-every-full-gc');
  try {
    collectAll();
  } finally {
    setFlagsFromString('--no-compact-on-every-full-gc');
  }
}
