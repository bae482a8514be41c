/** Makes images that a checkpoint keeps elsewhere its own: copies in its folder. */
import { copyImage, imagesUnderCopy } from '../../../backend/disk/live/copy.ts';
import { openImage } from '../../../backend/disk/live/image.ts';
import type { CheckpointDisk, CheckpointMeta } from '../../../checkpoint/meta.ts';
import { rewriteChain } from '../../../checkpoint/rewrite.ts';
import { GodwitError } from '../../../common/errors.ts';
import { isAbsolute, join, relative } from '../../../common/paths.ts';
import { withFolderLock } from '../../../platform/folder-lock.ts';
import { platform } from '../../../platform/platform.ts';
import {
  absolutePath,
  diskFiles,
  filesNeeded,
  isRemoved,
  labelOf,
  readInventory,
  resolveReference,
} from './inventory.ts';
import { isStorePath, writeManifest } from './manifest.ts';
import { randomHex } from './random-hex.ts';
import { machineFile, openCheckpointFile } from './stored-chain.ts';

const LOCK_WAIT_MS = 60_000;

export interface AdoptOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the disk that is being copied, and its size. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** An image that the checkpoint kept, and does not need any more. */
export interface ReleasedImage {
  readonly path: string;
  /** Other checkpoints that need it. */
  readonly neededBy: readonly string[];
}

/**
 * Gives the images that were copied; none when the checkpoint has all of its own. Throws GodwitError; the checkpoint is
 * whole then, on its old images or the new ones.
 */
export async function adoptDisks(
  folder: string,
  reference: string,
  { signal, onProgress }: AdoptOptions = {},
): Promise<ReleasedImage[]> {
  const { id, disks } = await metaOf(folder, reference);
  const kept = disks.filter(({ path, readonly }) => isAbsolute(path) && !readonly);
  const copies = new Map<string, CheckpointDisk>();
  const progress = { isPointedTo: false };
  try {
    for (const disk of kept) {
      if (copies.has(disk.path)) continue;
      copies.set(
        disk.path,
        await copyInto(folder, id, disk, { ...(signal && { signal }), ...(onProgress && { onProgress }) }),
      );
    }
    if (kept.length > 0) await withFolderLock(folder, LOCK_WAIT_MS, () => pointTo(folder, id, copies, progress));
  } catch (error) {
    if (progress.isPointedTo) throw error;
    for (const { path } of copies.values()) {
      await platform()
        .files.removeFile(absolutePath(folder, path))
        .catch(() => {});
    }
    throw error;
  }
  const all = await readInventory(folder);
  return [...copies.keys()].map((path) => ({
    path,
    neededBy: all.filter(({ meta }) => meta && diskFiles(folder, meta).includes(path)).map((one) => labelOf(one)),
  }));
}

async function metaOf(folder: string, reference: string): Promise<CheckpointMeta> {
  const { id, meta, failures } = resolveReference(await readInventory(folder), reference);
  if (meta) return meta;
  throw failures[0] ?? new GodwitError('not-found', `The checkpoint ${id} is not there any more.`);
}

async function copyInto(
  folder: string,
  id: string,
  disk: CheckpointDisk,
  { signal, onProgress }: AdoptOptions,
): Promise<CheckpointDisk> {
  const { path, format } = disk;
  const image = await openImage(path, { readonly: true, format });
  try {
    const copy = `${id}/disk-${randomHex(4)}.qcow2`;
    const { storedBytes = 0 } = (await platform().files.look(path)) ?? {};
    const progress = onProgress && {
      onProgress: (_doneBytes: number, copiedBytes: number) => onProgress(copiedBytes, storedBytes),
    };
    await copyImage(image, join(folder, copy), { ...(signal && { signal }), ...progress });
    const root = await platform().files.realPath(folder);
    const backing = imagesUnderCopy(image).map(({ path: under }) => {
      const inside = relative(root, under);
      return isStorePath(inside) ? inside : under;
    });
    return { ...disk, path: copy, format: 'qcow2', backing };
  } finally {
    await image.disk.close();
  }
}

/** With the store locked. */
async function pointTo(
  folder: string,
  id: string,
  copies: ReadonlyMap<string, CheckpointDisk>,
  progress: { isPointedTo: boolean },
): Promise<void> {
  const checkpoint = (await readInventory(folder)).find((one) => one.id === id);
  if (!checkpoint?.meta || isRemoved(checkpoint)) {
    throw new GodwitError('not-found', `The checkpoint ${id} was deleted meanwhile.`);
  }
  const disks = checkpoint.meta.disks.map((disk) => copies.get(disk.path) ?? disk);
  const path = machineFile(folder, id);
  const file = await openCheckpointFile(path);
  try {
    const { files, codec } = platform();
    await files.writeWhole(path, rewriteChain({ files: [file] }, codec, { disks }), { replace: true });
    progress.isPointedTo = true;
  } finally {
    file.close();
  }
  const needs = filesNeeded({ ...checkpoint.meta, disks });
  if (checkpoint.manifest) await writeManifest(checkpoint.folder, { ...checkpoint.manifest, needs });
}
