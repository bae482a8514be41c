import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DRAFT_ENDING } from './whole-file.ts';

/** Entries of locks (image-lock.ts) have a name of this beginning, but for a moment only. */
const LOCK_DRAFT = '.godwit-draft-';
const LOCK_DRAFT_MS = 60_000;

/** What killed processes left in a folder of locks, and with `wholeFiles` of files written whole. */
export async function removeLeftovers(folder: string, { wholeFiles = false } = {}): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (name.startsWith(LOCK_DRAFT)) await removeOld(path);
    else if (wholeFiles && name.startsWith('.') && name.endsWith(DRAFT_ENDING)) await unlink(path);
  }
}

async function removeOld(path: string): Promise<void> {
  const stats = await stat(path).catch(() => undefined);
  if (stats && Date.now() - stats.mtimeMs > LOCK_DRAFT_MS) await unlink(path).catch(() => {});
}
