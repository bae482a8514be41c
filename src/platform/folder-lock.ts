import { GodwitError } from '../common/errors.ts';
import { join } from '../common/paths.ts';
import type { FileLock } from './files.ts';
import { platform } from './platform.ts';

const LOCK_FILE = '.lock';

/**
 * Does something while no other process, and no one else in this, does so with the same folder. Who asks first gets it
 * first. What is held by a process that died is free again. Throws GodwitError('locked') after `waitMs`.
 */
export async function withFolderLock<T>(folder: string, waitMs: number, action: () => Promise<T>): Promise<T> {
  const lock = await lockFolder(folder, waitMs);
  try {
    return await action();
  } finally {
    await lock.release();
  }
}

async function lockFolder(folder: string, waitMs: number): Promise<FileLock> {
  try {
    return await platform().files.lock(join(folder, LOCK_FILE), 'exclusive', { waitMs, create: true });
  } catch (cause) {
    if (!(cause instanceof GodwitError) || cause.code !== 'locked') throw cause;
    throw new GodwitError(
      'locked',
      `Others are at work in the folder ${folder}, and have been for ${waitMs / 1000} s.`,
      {
        hint: 'Try again when they are done.',
        cause,
      },
    );
  }
}
