import { GodwitError } from '../common/errors.ts';
import { joinPath } from '../common/paths.ts';
import type { FileLock } from './files.ts';
import { platform } from './platform.ts';

const LOCK_FILE = '.lock';
const LONGEST_PAUSE_MS = 40;

/**
 * Does something while no other process, and no one else in this, does so with the same folder. What is held by a process that
 * died is free again. Throws GodwitError('locked') after `waitMs`.
 */
export async function withFolderLock<T>(folder: string, waitMs: number, action: () => Promise<T>): Promise<T> {
  const lock = await takeLock(folder, waitMs);
  try {
    return await action();
  } finally {
    await lock.release();
  }
}

async function takeLock(folder: string, waitMs: number): Promise<FileLock> {
  const { files, clock, timers } = platform();
  const path = joinPath(folder, LOCK_FILE);
  const endMs = clock.nowMs() + waitMs;
  for (;;) {
    try {
      return await files.lock(path, 'exclusive', { create: true });
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code !== 'locked') throw error;
      if (clock.nowMs() >= endMs) {
        throw new GodwitError('locked', `Another process is changing what is in ${folder}.`, {
          hint: error.hint ?? 'Try again when it is done.',
          cause: error,
        });
      }
    }
    await timers.sleep(Math.random() * LONGEST_PAUSE_MS);
  }
}
