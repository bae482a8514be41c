import { GodwitError } from '../../../common/errors.ts';
import { join } from '../../../common/paths.ts';
import type { FileLock } from '../../../platform/files.ts';
import { platform } from '../../../platform/platform.ts';

const LOCK_FILE = '.lock';

/**
 * Does something while no other process, and no one else in this, changes the tree of checkpoints. What is held by a process that
 * died is free again. Throws GodwitError('locked') after `waitMs`.
 */
export async function withStoreLock<T>(folder: string, waitMs: number, action: () => Promise<T>): Promise<T> {
  const lock = await takeLock(folder, waitMs);
  try {
    return await action();
  } finally {
    await lock.release();
  }
}

async function takeLock(folder: string, waitMs: number): Promise<FileLock> {
  try {
    return await platform().files.lock(join(folder, LOCK_FILE), 'exclusive', { waitMs, create: true });
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code !== 'locked') throw error;
    throw new GodwitError('locked', `Another process is changing the checkpoints in ${folder}.`, {
      hint: error.hint ?? 'Try again when it is done.',
      cause: error,
    });
  }
}

/** Takes the locks that a disk has while it is in use, or throws GodwitError('locked'). Files that do not exist are left out. */
export async function lockFiles(paths: readonly string[]): Promise<FileLock> {
  const locks: FileLock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of locks) await lock.release();
  };
  try {
    for (const path of paths) {
      if (await platform().files.look(path)) locks.push(await platform().files.lock(path, 'exclusive'));
    }
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}
