/** Folders for images that are gone when their machine ends. */
import { realpathSync } from 'node:fs';
import { mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

const PREFIX = 'godwit-passing-';

export async function makePassingFolder(): Promise<string> {
  return await mkdtemp(join(await realpath(tmpdir()), PREFIX));
}

/** Whether a file, whose path has no symbolic links, lies in such a folder. What is to last must not rest on it. */
export function isPassing(path: string): boolean {
  const folder = dirname(path);
  return basename(folder).startsWith(PREFIX) && dirname(folder) === realpathSync(tmpdir());
}
