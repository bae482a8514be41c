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
        return new Promise<void>((letGo) => {
          resolve({
            release: async () => {
              letGo();
              // The lock is free when the browser has heard of it: let it.
              await navigator.locks.query();
            },
          });
        });
      })
      .catch(reject);
  });
}

export async function lockPath(path: string, mode: 'shared' | 'exclusive'): Promise<FileLock> {
  const lock = await tryLock(path, mode);
  if (lock) return lock;
  throw new GodwitError('locked', `${path} is in use by another machine.`, {
    hint: 'It may be of another tab of this site.',
  });
}
