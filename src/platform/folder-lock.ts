import { join } from '../common/paths.ts';
import { platform } from './platform.ts';

const LOCK_FILE = '.lock';

/**
 * Does something while no other process, and no one else in this, does so with the same folder. What is held by a
 * process that died is free again. Throws GodwitError('locked') after `waitMs`.
 */
export async function withFolderLock<T>(folder: string, waitMs: number, action: () => Promise<T>): Promise<T> {
  const lock = await platform().files.lock(join(folder, LOCK_FILE), 'exclusive', { waitMs, create: true });
  try {
    return await action();
  } finally {
    await lock.release();
  }
}
