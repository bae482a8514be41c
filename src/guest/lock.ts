/**
 * A lock between processes, for the cache folder. It is flock(2) through the program of that name (Debian's essential
 * util-linux): the kernel lets go of it when the holder ends in any way, so there is no stale lock to clean up.
 */
import { spawn } from 'node:child_process';
import { GodwitError } from '../common/errors.ts';

/**
 * Runs `work` while holding the lock on a file (made if missing). `onWait` is called if another process holds it just
 * now. An aborted signal ends the waiting.
 */
export async function withFileLock<T>(
  path: string,
  onWait: () => void,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const release = await takeLock(path, onWait, signal);
  try {
    return await work();
  } finally {
    release();
  }
}

const WAIT_NOTE_MS = 500;

/** Resolves when the lock is held, with the function that gives it up. */
function takeLock(path: string, onWait: () => void, signal: AbortSignal | undefined): Promise<() => void> {
  // The child says so when it holds the lock, and ends when its input ends: with us, at the latest.
  const child = spawn('flock', ['--exclusive', path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const timer = setTimeout(onWait, WAIT_NOTE_MS);
  const giveUp = (): void => void child.kill();
  signal?.addEventListener('abort', giveUp);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdin.on('error', () => {}); // it ended before us: 'close' tells
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      reject(new GodwitError('io', `The lock ${path} can't be taken: ${why}.`, { cause }));
    };
    child.once('error', (error) => fail(error.message, error));
    child.once('close', () => fail(errors.trim() || 'flock ended'));
    child.stdout.once('data', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      resolve(() => child.stdin.end());
    });
  });
}
