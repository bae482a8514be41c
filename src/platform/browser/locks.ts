/** Locks among all pages and workers of an origin (Web Locks API). They go with who holds them. */
import { GodwitError } from '../../common/errors.ts';
import type { FileLock } from '../files.ts';

/** Undefined: another holds it. */
export async function tryLock(name: string, mode: 'shared' | 'exclusive'): Promise<FileLock | undefined> {
  return await new Promise((resolve, reject) => {
    navigator.locks
      .request(`godwit ${name}`, { mode, ifAvailable: true }, (lock) => {
        if (lock === null) {
          resolve(undefined);
          return undefined;
        }
        return new Promise<void>((release) => {
          resolve({
            release: async () => {
              release();
              // The lock is free when the browser has heard of it: let it.
              await navigator.locks.query();
            },
          });
        });
      })
      .catch(reject);
  });
}

/** Waits its turn, for so long at most. */
async function awaitLock(name: string, mode: 'shared' | 'exclusive', waitMs: number): Promise<FileLock | undefined> {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), waitMs);
  return await new Promise((resolve, reject) => {
    navigator.locks
      .request(`godwit ${name}`, { mode, signal: patience.signal }, () => {
        clearTimeout(timer);
        return new Promise<void>((release) => resolve({ release: async () => release() }));
      })
      .catch((error) => (patience.signal.aborted ? resolve(undefined) : reject(error)));
  });
}

/** Throws GodwitError('locked'). */
export async function lockPath(path: string, mode: 'shared' | 'exclusive', waitMs = 0): Promise<FileLock> {
  const lock = waitMs > 0 ? await awaitLock(path, mode, waitMs) : await tryLock(path, mode);
  if (lock) return lock;
  throw new GodwitError('locked', `${path} is in use by another machine.`, {
    hint: 'It may be of another tab of this site.',
  });
}
