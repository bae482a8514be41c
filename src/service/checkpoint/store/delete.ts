import { rewriteChain } from '../../../checkpoint/rewrite.ts';
import { GodwitError } from '../../../common/errors.ts';
import { join } from '../../../common/paths.ts';
import { platform } from '../../../platform/platform.ts';
import { type DraftOwner, sweepDrafts } from './draft-folder.ts';
import { lockFiles } from './image-locks.ts';
import { isRemoved, placeOf, readInventory, type StoredCheckpoint } from './inventory.ts';
import { MANIFEST_FILE, type Manifest, readManifest, writeManifest } from './manifest.ts';
import { MACHINE_FILE, machineFile, openStored } from './stored-chain.ts';

/*
 * Everything here is done while the store is locked, in steps of which each leaves all other checkpoints whole. A
 * process that dies between two of them leaves a store in which the checkpoint is there as before, or gone.
 */

const DELETED = '.deleted-';

/**
 * 1. Checkpoints that build on it take its pages in, and build on its own base from then on.
 * 2. Checkpoints whose parent it is get its parent.
 * 3. It goes by a rename; or, where others' disks need its images, all but these goes.
 */
export async function deleteCheckpoint(
  store: string,
  target: StoredCheckpoint,
  owners: readonly DraftOwner[],
): Promise<void> {
  refuseWhileDraftsNeed(target, owners);
  const all = await readInventory(store);
  const others = all.filter(({ id }) => id !== target.id);
  refuseNewerOnes(others);
  const images = (await imagesOf(target.folder)).map((name) => join(target.folder, name));
  const locks = await lockFiles(images);
  try {
    await takeIn(store, target, others);
    await reparent(target, others);
    if (isNeeded(target, others)) await keepImages(store, target);
    else await removeFolder(store, target.id);
  } finally {
    await locks.release();
  }
  await collectRemnants(store);
}

function refuseWhileDraftsNeed({ id }: StoredCheckpoint, owners: readonly DraftOwner[]): void {
  const owner = owners.find(({ parent, base }) => parent === id || base === id);
  if (!owner) return;
  throw new GodwitError('locked', `${owner.name} is making a checkpoint that builds on ${id}.`, {
    hint: 'Try again when it is done.',
  });
}

/** They may build on the checkpoint in ways that this godwit does not know of. */
function refuseNewerOnes(others: readonly StoredCheckpoint[]): void {
  for (const { failures } of others) {
    const newer = failures.find(({ code }) => code !== 'damaged' && code !== 'not-found');
    if (newer) throw newer;
  }
}

async function imagesOf(folder: string): Promise<string[]> {
  const names = (await platform().files.list(folder)).map(({ name }) => name);
  return names.filter((name) => name !== MACHINE_FILE && name !== MANIFEST_FILE && !name.startsWith('.'));
}

async function takeIn(store: string, target: StoredCheckpoint, others: readonly StoredCheckpoint[]): Promise<void> {
  for (const { id, meta } of others) {
    if (meta?.base !== target.id) continue;
    const path = machineFile(store, id);
    const child = await openStored(path);
    try {
      const base = await openStored(machineFile(store, target.id));
      try {
        const { files, codec } = platform();
        await files.writeWhole(path, rewriteChain({ files: [child, base] }, codec), { replace: true });
      } finally {
        base.close();
      }
    } finally {
      child.close();
    }
  }
}

async function reparent(target: StoredCheckpoint, others: readonly StoredCheckpoint[]): Promise<void> {
  const { parent } = placeOf(target);
  for (const { folder, manifest } of others) {
    if (manifest?.parent === target.id) await writeManifest(folder, { ...manifest, parent });
  }
}

/** Whether the disks of others have images in the checkpoint's folder. What cannot be read may have any. */
function isNeeded({ id }: StoredCheckpoint, others: readonly StoredCheckpoint[]): boolean {
  return others.some((other) => {
    if (isRemoved(other)) return false;
    const needs = other.manifest?.needs ?? other.meta?.disks.flatMap(({ path, backing }) => [path, ...backing]);
    return needs === undefined || needs.some((path) => path.startsWith(`${id}/`));
  });
}

async function keepImages(store: string, { id, folder, manifest, meta }: StoredCheckpoint): Promise<void> {
  if ((await imagesOf(folder)).length === 0) {
    await removeFolder(store, id);
    return;
  }
  const removed: Manifest = {
    id,
    createdAtMs: manifest?.createdAtMs ?? meta?.createdAtMs ?? 0,
    memoryBytes: 0,
    hart: 0,
    branches: '0',
    pc: '0',
    name: null,
    parent: null,
    needs: [],
    removed: true,
  };
  await writeManifest(folder, removed);
  await removeMachineFile(folder);
}

async function removeMachineFile(folder: string): Promise<void> {
  await platform().files.removeFile(join(folder, MACHINE_FILE));
}

async function removeFolder(store: string, id: string): Promise<void> {
  const { files } = platform();
  const doomed = join(store, `${DELETED}${id}`);
  await files.removeTree(doomed);
  await files.rename(join(store, id), doomed);
  await files.syncFolder(store);
  await files.removeTree(doomed);
}

/** Removed checkpoints whose images nobody needs any more. */
async function collectRemnants(store: string): Promise<void> {
  const all = await readInventory(store);
  for (const remnant of all.filter(isRemoved)) {
    if (isNeeded(remnant, all)) continue;
    const images = (await imagesOf(remnant.folder)).map((name) => join(remnant.folder, name));
    const locks = await lockFiles(images).catch(ignoreLocked);
    if (!locks) continue;
    try {
      await removeFolder(store, remnant.id);
    } finally {
      await locks.release();
    }
  }
}

function ignoreLocked(error: unknown): undefined {
  if (error instanceof GodwitError && error.code === 'locked') return undefined;
  throw error;
}

/** The same for what takes no look into checkpoints' folders: whoever makes one is not to look at all there are. */
export async function sweepTop(store: string): Promise<void> {
  const { files } = platform();
  await sweepDrafts(store);
  for (const { name } of await files.list(store)) {
    if (name.startsWith(DELETED)) await files.removeTree(join(store, name));
  }
}

/**
 * Removes what processes have left that died, and gives the owners of drafts that are being made. Anything that has a
 * temporary name is made while the store is locked, or in a draft: so with the lock it is nobody's.
 */
export async function sweepStore(store: string): Promise<DraftOwner[]> {
  const { files } = platform();
  const owners = await sweepDrafts(store);
  await files.sweepDrafts(store);
  for (const { name, kind } of await files.list(store)) {
    const path = join(store, name);
    if (name.startsWith(DELETED)) await files.removeTree(path);
    else if (kind === 'folder' && !name.startsWith('.')) await sweepFolder(path);
  }
  return owners;
}

async function sweepFolder(folder: string): Promise<void> {
  await platform().files.sweepDrafts(folder);
  const manifest = await readManifest(folder).catch(() => undefined);
  if (manifest?.removed) await removeMachineFile(folder);
}
