/** Image files and the files under them, each opened and locked. */
import { GodwitError } from '../../../common/errors.ts';
import { dirname, resolveFrom } from '../../../common/paths.ts';
import type { LockedFile } from '../../../platform/files.ts';
import { platform } from '../../../platform/platform.ts';
import { type BackingReference, type Disk, type DiskFormat, probeFormat, Qcow2Disk, RawDisk } from '../index.ts';
import { looksLikeQcow2 } from '../probe.ts';
import { readHeader } from '../qcow2/header.ts';
import { ImageFile } from '../qcow2/image-file.ts';
import { type SharedImage, shareImage } from './shared-images.ts';

/** Longer chains of backing files are taken for a mistake. */
export const MAX_CHAIN_LENGTH = 64;

/** How an image is opened. */
export interface OpenDiskOptions {
  /** Nothing is written, and other readers may have the image at the same time. */
  readonly?: boolean;
  /** Guessed from the content when not given. Name it for disks whose content others decide. */
  format?: DiskFormat;
}

export interface ImageName {
  /** With symbolic links resolved. */
  readonly path: string;
  readonly format: DiskFormat;
}

export interface OpenImage {
  readonly disk: RawDisk | Qcow2Disk;
  readonly file: LockedFile;
  /** The files under it, the nearest first. */
  readonly under: readonly ImageName[];
}

/** Opens the file under an image in another way than read-only and shared; undefined leaves it at that. */
type OpenBacking = (
  path: string,
  format: DiskFormat | undefined,
) => Promise<{ readonly disk: Disk; readonly file: LockedFile; readonly under: readonly ImageName[] } | undefined>;

/** `above` holds the identities of the images that led here. Closing the disk closes all. */
export async function openImage(
  path: string,
  options: OpenDiskOptions & { openBacking?: OpenBacking },
  above: readonly string[] = [],
): Promise<OpenImage> {
  const file = await platform().files.open(path, { readonly: options.readonly ?? false });
  try {
    if (options.format === 'raw') await refuseOverlayAsRaw(file);
    const format = options.format ?? (await probeFormat(file));
    if (format === 'raw') {
      const disk = await RawDisk.open(file, { formatWasProbed: options.format === undefined });
      return { disk, file, under: [] };
    }
    const under: ImageName[] = [];
    const disk = await Qcow2Disk.open(file, {
      openBacking: async (reference) => {
        const backing = resolveBacking(path, reference);
        const image =
          (await options.openBacking?.(backing.path, backing.format)) ??
          (await openBacking(backing, [...above, file.identity]));
        const imageFormat = image.disk.format === 'raw' ? 'raw' : 'qcow2';
        under.push({ path: image.file.realPath, format: imageFormat }, ...image.under);
        return image.disk;
      },
    });
    return { disk, file, under };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Before the file is opened: its own lock would be in the way. */
async function refuseCycle(path: string, above: readonly string[]): Promise<void> {
  const info = await platform().files.look(path);
  if (info === undefined) throw new GodwitError('not-found', `The backing file ${path} does not exist.`);
  if (above.includes(info.identity)) {
    throw new GodwitError('damaged', `The backing file ${path} lies, by way of others, on itself.`);
  }
}

/**
 * A checkpoint of a machine with a raw disk puts a qcow2 image in its place, over the raw file under another name that
 * begins with the old one. Whoever names the format raw must not take its bytes for the disk. It is not opened as what
 * it says it is either: a guest decides what a raw disk begins with.
 */
async function refuseOverlayAsRaw(file: LockedFile): Promise<void> {
  const start = new Uint8Array(4);
  await file.read(0, start);
  if (!looksLikeQcow2(start)) return;
  const backing = await readHeader(await ImageFile.of(file)).then(
    (header) => header.backing,
    () => undefined,
  );
  if (backing?.format !== 'raw') return;
  const path = resolveFrom(dirname(file.realPath), backing.name);
  if (!path.startsWith(`${file.realPath}.`)) return;
  if (
    (await platform()
      .files.look(path)
      .catch(() => undefined)) === undefined
  )
    return;
  throw new GodwitError('usage', `${file.name} is a qcow2 image now, over the raw disk ${path}.`, {
    hint: `Open it with the format qcow2, or bring it back into the raw disk with "godwit disk commit ${file.name}".`,
  });
}

async function openBacking(
  { path, format }: { path: string; format: DiskFormat | undefined },
  above: readonly string[],
): Promise<{ disk: Disk; file: LockedFile; under: readonly ImageName[] }> {
  if (above.length >= MAX_CHAIN_LENGTH) throw tooLong(path);
  await refuseCycle(path, above);
  const shared = await openShared(path, format, above);
  const { file, under } = shared.image;
  if (above.length + 1 + under.length <= MAX_CHAIN_LENGTH) return { disk: shared.disk, file, under };
  await shared.release();
  throw tooLong(path);
}

/** Opens an image for reading, once for all in this thread that read it. */
export function openShared(
  path: string,
  format: DiskFormat | undefined,
  above: readonly string[] = [],
): Promise<SharedImage> {
  const options = { readonly: true, ...(format === undefined ? {} : { format }) };
  return shareImage(path, format, () => openImage(path, options, above), { waits: above.length === 0 });
}

function tooLong(path: string): GodwitError {
  return new GodwitError(
    'limit',
    `The chain of backing files that ends at ${path} is longer than ${MAX_CHAIN_LENGTH}.`,
  );
}

/** What an image says lies under it. Throws GodwitError('unsupported'). */
export function resolveBacking(
  overlayPath: string,
  { name, format }: BackingReference,
): { path: string; format: DiskFormat | undefined } {
  if (format !== undefined && format !== 'raw' && format !== 'qcow2') {
    throw new GodwitError(
      'unsupported',
      `${overlayPath} has a backing file of the format ${format}; godwit reads raw and qcow2.`,
    );
  }
  return { path: backingPath(overlayPath, name), format };
}

/** Relative names are relative to the overlay's folder. Names of other protocols than files look like "nbd://...". */
export function backingPath(overlayPath: string, name: string): string {
  const fileName = name.startsWith('file:') ? name.slice('file:'.length) : name;
  if (/^[a-z][a-z0-9+.-]*:/.test(fileName)) {
    throw new GodwitError('unsupported', `${overlayPath} has the backing file ${name}; godwit reads files only.`);
  }
  return platform().files.absolute(resolveFrom(dirname(overlayPath), fileName));
}
