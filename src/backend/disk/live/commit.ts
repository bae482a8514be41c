/** Brings what an image holds into the image under it, while no machine uses them. */

import type { Cancellation } from '../../../common/cancellation.ts';
import { GodwitError } from '../../../common/errors.ts';
import { dirname } from '../../../common/paths.ts';
import { platform } from '../../../platform/platform.ts';
import { extentAt } from '../extent.ts';
import {
  BorrowedDisk,
  CommittingDisk,
  createQcow2,
  type Disk,
  type DiskFormat,
  type Qcow2Disk,
  RawDisk,
} from '../index.ts';
import { machineSizeOf } from '../sectors.ts';
import { type OpenImage, openImage } from './image.ts';
import { giveNameBack, tidyUp } from './overlay.ts';

export interface CommitDiskOptions {
  /** What must lie under it, an image that a checkpoint kept. The caller knows that nobody needs it any more. */
  readonly keptParent?: string;
  readonly signal?: Cancellation;
  readonly onProgress?: (doneBytes: number, copiedBytes: number) => void;
}

export interface CommittedDisk {
  /** What everything is in now. */
  readonly path: string;
  /** The image was put over a machine's disk by a checkpoint: the disk has its name back, and the image is gone. */
  readonly isDiskAgain: boolean;
}

/**
 * The image is empty afterwards, or gone where a checkpoint had put it in the place of the one under it. Whatever
 * happens, its name shows the same content.
 * @throws GodwitError 'usage' for an image with nothing under it, 'denied' when that is kept, and what `openDisk`
 * throws
 */
export async function commitDisk(path: string, options: CommitDiskOptions = {}): Promise<CommittedDisk> {
  const { image, parent } = await openBoth(path, options.keptParent);
  if (!parent) return { path: await loneDisk(path, image), isDiskAgain: true };
  try {
    const into = await largeEnough(parent, image);
    const { keptParent: _, ...work } = options;
    await new CommittingDisk(image.disk, into).commit(work);
    if (into.format === 'qcow2') await into.settle();
    else await into.flush();
    const imagePath = image.file.realPath;
    const parentPath = parent.file.realPath;
    // The names that `putOverlay` gives.
    const isDiskAgain = parentPath.startsWith(`${imagePath}.`);
    if (isDiskAgain) await giveNameBack(imagePath, parentPath);
    else await emptyImage(image, parent);
    return { path: isDiskAgain ? imagePath : parentPath, isDiskAgain };
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new GodwitError('state', `Committing ${path} was called off. Nothing is lost.`, { cause: error });
  } finally {
    await image.disk.close().catch(() => {});
    await parent.disk.close();
  }
}

async function openBoth(
  path: string,
  keptParent: string | undefined,
): Promise<{ image: OpenImage; parent: OpenImage | undefined }> {
  let parent: OpenImage | undefined;
  try {
    const image = await openImage(path, {
      openBacking: async (backing, format) => {
        if (keptParent === undefined) await refuseKept(backing);
        else if (keptParent === backing) await platform().files.protect(backing, false);
        else throw new GodwitError('usage', `${path} lies over ${backing}, not over ${keptParent}.`);
        parent = await openImage(backing, format === undefined ? {} : { format });
        return { ...parent, disk: new BorrowedDisk(parent.disk) };
      },
    });
    return { image, parent };
  } catch (error) {
    await parent?.disk.close();
    throw error;
  }
}

/** A raw file grows to the size of the image over it. Of others only what they have room for can be brought back. */
async function largeEnough({ disk, file }: OpenImage, image: OpenImage): Promise<OpenImage['disk']> {
  const { sizeBytes } = image.disk;
  if (machineSizeOf(disk) >= sizeBytes) return disk;
  if (disk.format === 'raw') {
    await file.truncate(sizeBytes);
    return await RawDisk.open(file);
  }
  if (await holdsData(image.disk, disk.sizeBytes)) {
    throw new GodwitError('unsupported', `${file.name} is too small for what ${image.file.name} holds.`, {
      hint: `Give it as many bytes: qemu-img resize ${file.name} ${sizeBytes}.`,
    });
  }
  return disk;
}

/** Whether an image has anything from `offset` on. */
async function holdsData(disk: Disk, offset: number): Promise<boolean> {
  for (let at = offset; at < disk.sizeBytes; ) {
    const { kind, lengthBytes } = await extentAt(disk, at, disk.sizeBytes - at, 0);
    if (kind === 'data') return true;
    at += lengthBytes;
  }
  return false;
}

/** Nothing lies under it. That is well where an overlay was about to be put over it when its process was killed. */
async function loneDisk(path: string, image: OpenImage): Promise<string> {
  const { realPath } = image.file;
  try {
    if (await tidyUp(image, realPath)) return realPath;
  } finally {
    await image.disk.close();
  }
  throw new GodwitError('usage', `${path} has no backing file that it could be committed to.`);
}

/** An image that a checkpoint keeps may not be written by anyone. */
async function refuseKept(path: string): Promise<void> {
  if (!(await platform().files.look(path))?.isProtected) return;
  throw new GodwitError('denied', `${path} is not to be written: a checkpoint keeps it.`, {
    hint: '"godwit checkpoint commit --merge" copies it into its checkpoint first.',
  });
}

/** A new one takes its place. */
async function emptyImage({ disk, file }: OpenImage, parent: OpenImage): Promise<void> {
  const { sizeBytes, clusterBytes, backingReference } = disk as Qcow2Disk;
  const format: DiskFormat = parent.disk.format;
  const { files } = platform();
  const path = file.realPath;
  const fresh = await files.openDraft(path, { like: path });
  try {
    await createQcow2(fresh, {
      sizeBytes,
      clusterBits: Math.log2(clusterBytes),
      backing: { path: backingReference!.name, format },
    });
    await fresh.replace();
    await files.syncFolder(dirname(path));
  } finally {
    await fresh.discard();
  }
}
