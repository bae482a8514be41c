/** The guest in this machine's cache, for tests that need a real one. */
import { spawnSync } from 'node:child_process';
import { ensureGuest, type Guest } from '../../src/guest/index.ts';

const hasApt = spawnSync('apt-get', ['--version']).status === 0;

/** What `npm start` would use; undefined, with the reason on standard error, where it can't be had. */
export async function cachedGuest(): Promise<Guest | undefined> {
  if (!hasApt) {
    console.error('Tests with a real guest are skipped: this machine has no apt.');
    return undefined;
  }
  return ensureGuest();
}
