import { GodwitError } from '../../../common/errors.ts';
import type { FileLock } from '../../../platform/files.ts';
import { platform } from '../../../platform/platform.ts';

/**
 * Takes the locks that a disk has while it is in use, or throws GodwitError('locked'). Files that do not exist are left
 * out.
 */
export async function lockFiles(paths: readonly string[]): Promise<FileLock> {
  const { files } = platform();
  const locks: FileLock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of locks) await lock.release();
  };
  try {
    for (const path of paths) {
      const lock = await files.lock(path, 'exclusive').catch(ignoreMissing);
      if (lock) locks.push(lock);
    }
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof GodwitError && error.code === 'not-found') return undefined;
  throw error;
}
