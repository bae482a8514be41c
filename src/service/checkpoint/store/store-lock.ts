import { open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GodwitError } from '../../../common/errors.ts';
import { hostError } from '../../../platform/node/host-error.ts';
import { type ImageLock, lockImage } from '../../../platform/node/image-lock.ts';

const LOCK_FILE = '.lock';
const LONGEST_PAUSE_MS = 40;

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

async function takeLock(folder: string, waitMs: number): Promise<ImageLock> {
  const path = join(folder, LOCK_FILE);
  const endMs = performance.now() + waitMs;
  const identity = await identify(path);
  for (;;) {
    try {
      return await lockImage(identity, 'exclusive');
    } catch (error) {
      if (!(error instanceof GodwitError) || error.code !== 'locked') throw error;
      if (performance.now() >= endMs) {
        throw new GodwitError('locked', `Another process is changing the checkpoints in ${folder}.`, {
          hint: error.hint ?? 'Try again when it is done.',
          cause: error,
        });
      }
    }
    await delay(Math.random() * LONGEST_PAUSE_MS);
  }
}

async function identify(path: string): Promise<{ realPath: string; dev: bigint; ino: bigint }> {
  try {
    const handle = await open(path, 'a', 0o600);
    try {
      const { dev, ino } = await handle.stat({ bigint: true });
      return { realPath: await realpath(path), dev, ino };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw hostError(error, `lock ${path}`);
  }
}

/** Takes the locks that a disk has while it is in use, or throws GodwitError('locked'). Files that do not exist are left out. */
export async function lockFiles(paths: readonly string[]): Promise<Pick<ImageLock, 'release'>> {
  const locks: ImageLock[] = [];
  const release = async (): Promise<void> => {
    for (const lock of locks) await lock.release();
  };
  try {
    for (const path of paths) {
      const handle = await open(path, 'r').catch(() => undefined);
      if (!handle) continue;
      const { dev, ino } = await handle.stat({ bigint: true }).finally(() => handle.close());
      locks.push(await lockImage({ realPath: await realpath(path), dev, ino }, 'exclusive'));
    }
    return { release };
  } catch (error) {
    await release();
    throw hostError(error, 'lock the disks of the checkpoint');
  }
}
