/** Folders for files that nobody needs when the worker that made them has ended. A lock says that it has not. */
import { folderAt } from './folders.ts';
import { tryLock } from './locks.ts';

const PARENT = '.temporary';

/** What workers have left that have ended is taken away at this opportunity. */
export async function makeTemporaryFolder(): Promise<string> {
  const parent = await folderAt([PARENT], true);
  await sweep(parent);
  const name = crypto.randomUUID();
  // Held for the worker's life.
  await tryLock(`/${PARENT}/${name}`, 'exclusive');
  await parent.getDirectoryHandle(name, { create: true });
  return `/${PARENT}/${name}`;
}

async function sweep(parent: FileSystemDirectoryHandle): Promise<void> {
  for await (const name of parent.keys()) {
    const lock = await tryLock(`/${PARENT}/${name}`, 'exclusive');
    if (!lock) continue;
    await parent.removeEntry(name, { recursive: true }).catch(() => {});
    await lock.release();
  }
}

export function isTemporary(path: string): boolean {
  return path.startsWith(`/${PARENT}/`);
}
