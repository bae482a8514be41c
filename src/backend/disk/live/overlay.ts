/**
 * Puts a copy-on-write image over the image that a machine has open, under the image's own name:
 *
 *     before   disk.qcow2  the machine's disk
 *     after    disk.qcow2  an empty overlay, over
 *              disk.qcow2.NAME   what was the machine's disk
 *
 * So the machine's disk is always what the user calls it, and each name has a whole file at every moment: the second
 * name is a hard link, and the overlay replaces the first in one step.
 */
import { GodwitError } from '../../../common/errors.ts';
import { basename, dirname, isAbsolute } from '../../../common/paths.ts';
import { platform } from '../../../platform/platform.ts';
import { BorrowedDisk, createQcow2, type DiskFormat, Qcow2Disk } from '../index.ts';
import { machineSizeOf } from '../sectors.ts';
import { MAX_CHAIN_LENGTH, type OpenImage } from './image.ts';

/** The name of a parent that the overlay is to be brought back into. */
export function temporaryParentPath(path: string): string {
  return `${path}.parent`;
}

export interface Overlay {
  readonly image: OpenImage;
  readonly parent: OpenImage;
  /** The disk's own name, which the overlay has. */
  readonly path: string;
  readonly parentPath: string;
}

export interface OverlayPlace {
  /** Beside the disk, or on the same file system; the parent is named beside the disk where it must be. */
  readonly parentPath: string;
  /** The disk is reached by a symbolic link in another folder. */
  readonly byLink: boolean;
}

/** Makes the overlay; the machine goes on with the parent. When it fails, all is as before. */
export async function putOverlay(parent: OpenImage, place: OverlayPlace): Promise<Overlay> {
  const path = parent.file.realPath;
  await refuseImpossible(parent, place);
  const parentPath = await nameParent(parent, path, place.parentPath);
  try {
    const image = await makeOverlay(parent, path, { ...place, parentPath });
    return { image, parent, path, parentPath };
  } catch (error) {
    await platform()
      .files.removeFile(parentPath)
      .catch(() => {});
    throw error;
  }
}

/** Undoes `putOverlay`, when the machine has not used the overlay. */
export async function takeOverlayAway({ image, parent, path, parentPath }: Overlay): Promise<void> {
  await giveNameBack(path, parentPath);
  parent.file.movedTo(path);
  await image.disk.close();
}

/** The parent takes its old name back from the overlay, whose content it has. */
export async function giveNameBack(path: string, parentPath: string): Promise<void> {
  const { files } = platform();
  await files.rename(parentPath, path);
  for (const folder of new Set([dirname(path), dirname(parentPath)])) await files.syncFolder(folder);
}

async function refuseImpossible(parent: OpenImage, { byLink }: OverlayPlace): Promise<void> {
  const path = parent.file.realPath;
  if ((await platform().files.look(path))?.identity !== parent.file.identity) {
    throw new GodwitError(
      'state',
      `The file ${path} is another one than the machine's disk: it was moved or replaced.`,
    );
  }
  if (byLink && hasRelativeBacking(parent)) {
    throw new GodwitError('unsupported', `The disk ${path} names the file under it relative to a symbolic link.`, {
      hint: `Open ${path} itself, or give it an absolute name with "qemu-img rebase -u".`,
    });
  }
  refuseLongChain(parent);
}

/** One more image lies over it then. */
export function refuseLongChain({ file, under }: OpenImage): void {
  if (under.length + 1 < MAX_CHAIN_LENGTH) return;
  throw new GodwitError('limit', `The disk ${file.realPath} lies over ${under.length} others already.`, {
    hint: 'Let checkpoints copy the disk, or shorten the chain with "godwit disk commit" when the machine has ended.',
  });
}

/** Gives the parent its second name. A relative name of its own backing file binds it to its folder. */
async function nameParent(parent: OpenImage, path: string, wanted: string): Promise<string> {
  const beside = dirname(wanted) === dirname(path) ? wanted : `${path}.${basename(wanted)}`;
  const goodPlaces = hasRelativeBacking(parent) ? [beside] : [wanted, beside];
  return await platform()
    .files.addName(path, goodPlaces)
    .catch((error: unknown) => {
      if (!(error instanceof GodwitError) || error.code !== 'unsupported') throw error;
      throw new GodwitError('unsupported', `${error.message} Checkpoints of disks need them.`, { cause: error });
    });
}

function hasRelativeBacking({ disk }: OpenImage): boolean {
  const name = disk.format === 'qcow2' ? disk.backingReference?.name : undefined;
  return name !== undefined && !isAbsolute(name.startsWith('file:') ? name.slice('file:'.length) : name);
}

async function makeOverlay(parent: OpenImage, path: string, place: OverlayPlace): Promise<OpenImage> {
  const { files } = platform();
  const draft = await files.openDraft(path, { like: path });
  try {
    const backing: { path: string; format: DiskFormat } = {
      path: backingName(path, place),
      format: parent.disk.format,
    };
    await createQcow2(draft, { sizeBytes: machineSizeOf(parent.disk), backing });
    const disk = await Qcow2Disk.open(draft, { openBacking: async () => new BorrowedDisk(parent.disk) });
    await draft.replace();
    parent.file.movedTo(place.parentPath);
    await files.syncFolder(dirname(path));
    return { disk, file: draft, under: [{ path: place.parentPath, format: parent.disk.format }, ...parent.under] };
  } catch (error) {
    await draft.discard();
    throw error;
  }
}

/** Relative where that holds whichever way the overlay is reached, so that a folder can be moved as a whole. */
function backingName(path: string, { parentPath, byLink }: OverlayPlace): string {
  if (byLink || dirname(parentPath) !== dirname(path)) return parentPath;
  const name = basename(parentPath);
  // A colon before any slash would be a protocol.
  return name.includes(':') ? `./${name}` : name;
}

/**
 * Takes away what a process left that was killed while it put an overlay in place. The caller holds the lock of `path`.
 * True: the disk had its second name, and the overlay had not come.
 */
export async function tidyUp({ file }: OpenImage, path: string): Promise<boolean> {
  const { files } = platform();
  await files.sweepDrafts(dirname(path), basename(path));
  const parentPath = temporaryParentPath(path);
  if ((await files.look(parentPath))?.identity !== file.identity) return false;
  await files.removeFile(parentPath);
  return true;
}
