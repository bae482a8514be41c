import { type FileHandle, mkdir, open, readFile, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FolderOwner, OwnedFolder, OwnerNote } from '../files.ts';
import { hasFileOpen, livenessOf, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/**
 * Who owns a folder keeps the file that says so open: a process may live on when the thread that made the folder is
 * gone.
 */
const OWNER_FILE = '.owner.json';

interface OwnerRecord extends ProcessIdentity {
  readonly note: OwnerNote;
}

export async function makeOwnedFolder(folder: string, note: OwnerNote): Promise<OwnedFolder> {
  await mkdir(folder, { mode: 0o700 });
  let owner: FileHandle | undefined;
  try {
    owner = await open(join(folder, OWNER_FILE), 'wx', 0o600);
    const content: OwnerRecord = { ...(await ownIdentity()), note };
    await owner.writeFile(JSON.stringify(content));
  } catch (error) {
    await owner?.close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const handle = owner;
  return {
    path: folder,
    disown: async () => {
      await unlink(join(folder, OWNER_FILE)).catch(() => {});
      await handle.close().catch(() => {});
    },
  };
}

export async function ownerOf(folder: string): Promise<FolderOwner | undefined> {
  const path = join(folder, OWNER_FILE);
  const record = await readFile(path, 'utf8').then(parse, () => undefined);
  if (!record) return undefined;
  const owner = { name: `Process ${record.pid}`, note: record.note };
  const liveness = await livenessOf(record);
  if (liveness !== 'alive') return liveness === 'dead' ? undefined : owner;
  const entry = await stat(path, { bigint: true }).catch(() => undefined);
  if (!entry) return undefined;
  return (await hasFileOpen(record.pid, entry)) === false ? undefined : owner;
}

function parse(text: string): OwnerRecord | undefined {
  try {
    const record = JSON.parse(text) as OwnerRecord;
    return Number.isSafeInteger(record.pid) && typeof record.note === 'object' ? record : undefined;
  } catch {
    return undefined;
  }
}
