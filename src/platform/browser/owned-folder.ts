import type { FolderOwner, OwnedFolder, OwnerNote } from '../files.ts';
import { folderAt, isNamed, namesOf, placeOf } from './folders.ts';
import { tryLock } from './locks.ts';

/** What the folder is for. That its owner lives is said by a lock. */
const OWNER_FILE = '.owner.json';

function lockName(folder: string): string {
  return `owner of ${folder}`;
}

export async function makeOwnedFolder(path: string, note: OwnerNote): Promise<OwnedFolder> {
  const lock = await tryLock(lockName(path), 'exclusive');
  const { folder, name } = await placeOf(path);
  const made = await folder.getDirectoryHandle(name, { create: true });
  const file = await made.getFileHandle(OWNER_FILE, { create: true });
  const writable = await file.createWritable();
  await writable.write(JSON.stringify(note));
  await writable.close();
  return {
    path,
    disown: async () => {
      await made.removeEntry(OWNER_FILE).catch(() => {});
      await lock?.release();
    },
  };
}

export async function ownerOf(path: string): Promise<FolderOwner | undefined> {
  const lock = await tryLock(lockName(path), 'exclusive');
  if (lock) {
    await lock.release();
    return undefined;
  }
  try {
    const file = await (await folderAt(namesOf(path))).getFileHandle(OWNER_FILE);
    return { name: 'Another tab', note: JSON.parse(await (await file.getFile()).text()) as OwnerNote };
  } catch (error) {
    if (error instanceof SyntaxError || isNamed(error, 'NotFoundError')) return undefined;
    throw error;
  }
}
