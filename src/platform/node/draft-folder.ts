import { type FileHandle, mkdir, open, readdir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isCheckpointId } from '../../checkpoint/meta.ts';
import { hasFileOpen, livenessOf, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/**
 * A checkpoint in the making is a folder of this name with its id behind. Who makes it keeps the file that says so
 * open: a process may live on when the thread that made the checkpoint is gone.
 */
const PREFIX = '.draft-';
const OWNER_FILE = '.owner.json';

/** The checkpoints that a draft rests on, which must not go away meanwhile. */
export interface DraftOwner extends ProcessIdentity {
  readonly parent: string | null;
  readonly base: string | null;
}

export interface OwnedDraft {
  readonly folder: string;
  readonly owner: FileHandle;
}

/** Only while the store is locked: nobody must see a draft without its owner. */
export async function makeDraft(
  store: string,
  id: string,
  rests: { parent: string | null; base: string | null },
): Promise<OwnedDraft> {
  const folder = join(store, `${PREFIX}${id}`);
  await mkdir(folder, { mode: 0o700 });
  const owner = await open(join(folder, OWNER_FILE), 'wx', 0o600);
  try {
    const content: DraftOwner = { ...(await ownIdentity()), ...rests };
    await owner.writeFile(JSON.stringify(content));
    return { folder, owner };
  } catch (error) {
    await owner.close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Nobody owns the draft any more: it gets its name, or goes. */
export async function disownDraft({ folder, owner }: OwnedDraft): Promise<void> {
  await unlink(join(folder, OWNER_FILE)).catch(() => {});
  await owner.close().catch(() => {});
}

/** Removes drafts whose makers are gone, and gives the owners of the others. Only while the store is locked. */
export async function sweepDrafts(store: string): Promise<DraftOwner[]> {
  const owners: DraftOwner[] = [];
  for (const name of await readdir(store)) {
    if (!name.startsWith(PREFIX) || !isCheckpointId(name.slice(PREFIX.length))) continue;
    const folder = join(store, name);
    const owner = await livingOwner(folder);
    if (owner) owners.push(owner);
    else await rm(folder, { recursive: true, force: true });
  }
  return owners;
}

async function livingOwner(folder: string): Promise<DraftOwner | undefined> {
  const path = join(folder, OWNER_FILE);
  let owner: DraftOwner;
  try {
    owner = JSON.parse(await readFile(path, 'utf8')) as DraftOwner;
    if (!Number.isSafeInteger(owner.pid)) return undefined;
  } catch {
    return undefined;
  }
  const liveness = await livenessOf(owner);
  if (liveness !== 'alive') return liveness === 'dead' ? undefined : owner;
  const entry = await stat(path, { bigint: true }).catch(() => undefined);
  if (!entry) return undefined;
  return (await hasFileOpen(owner.pid, entry)) === false ? undefined : owner;
}
