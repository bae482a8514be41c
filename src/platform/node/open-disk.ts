import { randomUUID } from 'node:crypto';
import { link, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  type BackingReference,
  createQcow2,
  type Disk,
  type DiskFormat,
  probeFormat,
  Qcow2Disk,
  RawDisk,
} from '../../backend/disk/index.ts';
import { assertDiskSize } from '../../backend/disk/range.ts';
import { GodwitError } from '../../common/errors.ts';
import { fileIdentity, NodeByteFile } from './byte-file.ts';
import { errorCodeOf, hostError } from './host-error.ts';

/** Longer chains of backing files are taken for a mistake. */
const MAX_CHAIN_LENGTH = 64;

export interface OpenDiskOptions {
  /** Nothing is written, and other readers may have the image at the same time. */
  readonly?: boolean;
  /** Guessed from the content when not given. Name it for disks whose content others decide. */
  format?: DiskFormat;
}

export interface CreateDiskOptions {
  /** May be left out with a backing file, whose size it then is. */
  sizeBytes?: number;
  /** qcow2 when not given. */
  format?: DiskFormat;
  /** For qcow2: 9 to 21, clusters of 512 bytes to 2 MiB; 16 when not given. */
  clusterBits?: number;
  /** For qcow2. A relative path is relative to the folder of the new image; it is stored as given. */
  backing?: { path: string; format?: DiskFormat };
}

/**
 * Opens an image and the files under it, each locked: the image for writing unless `readonly`, the others shared.
 * @throws GodwitError 'not-found', 'denied', 'locked', 'damaged', 'unsupported'
 */
export function openDisk(path: string, options: OpenDiskOptions = {}): Promise<Disk> {
  return openInChain(path, options, []);
}

/**
 * Makes an empty disk. It appears complete or not at all, and never takes the place of a file that exists.
 * @throws GodwitError 'usage' when the path exists or the options make no sense, and what `openDisk` throws for the backing file
 */
export async function createDisk(path: string, options: CreateDiskOptions): Promise<void> {
  const backing = options.backing === undefined ? undefined : await inspectBacking(path, options.backing);
  const sizeBytes = options.sizeBytes ?? backing?.sizeBytes;
  if (sizeBytes === undefined) throw new GodwitError('usage', 'A new disk needs a size or a backing file.');
  assertDiskSize(sizeBytes);
  const { format = 'qcow2', clusterBits } = options;
  if (format === 'raw' && (backing !== undefined || clusterBits !== undefined)) {
    throw new GodwitError('usage', 'A raw disk has no backing file and no clusters; use qcow2.');
  }
  await createWhole(path, async (file) => {
    if (format === 'raw') await file.truncate(sizeBytes);
    else {
      await createQcow2(file, {
        sizeBytes,
        ...(clusterBits === undefined ? {} : { clusterBits }),
        ...(backing === undefined ? {} : { backing: { path: backing.path, format: backing.format } }),
      });
    }
    await file.sync();
  });
}

/** `above` holds the identities of the images that led here. */
async function openInChain(path: string, options: OpenDiskOptions, above: readonly string[]): Promise<Disk> {
  if (above.length >= MAX_CHAIN_LENGTH) {
    throw new GodwitError(
      'limit',
      `The chain of backing files that ends at ${path} is longer than ${MAX_CHAIN_LENGTH}.`,
    );
  }
  if (above.length > 0) await refuseCycle(path, above);
  const file = await NodeByteFile.open(path, { readonly: options.readonly ?? false });
  try {
    const format = options.format ?? (await probeFormat(file));
    if (format === 'raw') return await RawDisk.open(file, { formatWasProbed: options.format === undefined });
    return await Qcow2Disk.open(file, {
      openBacking: (reference) => openBacking(path, reference, [...above, file.identity]),
    });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Before the file is opened: its own lock would be in the way. */
async function refuseCycle(path: string, above: readonly string[]): Promise<void> {
  const stats = await stat(path, { bigint: true }).catch((error: unknown) => {
    throw hostError(error, `open the backing file ${path}`);
  });
  if (above.includes(fileIdentity(stats))) {
    throw new GodwitError('damaged', `The backing file ${path} lies, by way of others, on itself.`);
  }
}

function openBacking(overlayPath: string, reference: BackingReference, above: readonly string[]): Promise<Disk> {
  const { format } = reference;
  if (format !== undefined && format !== 'raw' && format !== 'qcow2') {
    throw new GodwitError(
      'unsupported',
      `${overlayPath} has a backing file of the format ${format}; godwit reads raw and qcow2.`,
    );
  }
  const path = backingPath(overlayPath, reference.name);
  return openInChain(path, { readonly: true, ...(format === undefined ? {} : { format }) }, above);
}

/** Relative names are relative to the overlay's folder. Names of other protocols than files look like "nbd://...". */
function backingPath(overlayPath: string, name: string): string {
  const fileName = name.startsWith('file:') ? name.slice('file:'.length) : name;
  if (/^[a-z][a-z0-9+.-]*:/.test(fileName)) {
    throw new GodwitError('unsupported', `${overlayPath} has the backing file ${name}; godwit reads files only.`);
  }
  return resolve(dirname(overlayPath), fileName);
}

async function inspectBacking(
  path: string,
  backing: { path: string; format?: DiskFormat },
): Promise<{ path: string; format: DiskFormat; sizeBytes: number }> {
  const { format } = backing;
  const disk = await openDisk(backingPath(path, backing.path), {
    readonly: true,
    ...(format === undefined ? {} : { format }),
  });
  const { sizeBytes } = disk;
  await disk.close();
  return { path: backing.path, format: disk.format === 'raw' ? 'raw' : 'qcow2', sizeBytes };
}

/** Fills a file under a passing name, and gives it its own only then. */
async function createWhole(path: string, fill: (file: NodeByteFile) => Promise<void>): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}.new`);
  try {
    const file = await NodeByteFile.open(draft, { create: true });
    try {
      await fill(file);
    } finally {
      await file.close();
    }
    await nameFile(draft, path);
  } catch (error) {
    const { code, message, hint } = hostError(error, `create ${path}`);
    // The passing name means nothing to anyone.
    throw new GodwitError(code, message.replaceAll(draft, path), {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  } finally {
    await unlink(draft).catch(() => {});
  }
}

/** Unlike a rename, a link replaces nothing. Where the file system has no links, an empty file takes the name first. */
async function nameFile(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCodeOf(error) ?? '')) throw error;
    await writeFile(path, '', { flag: 'wx' });
    await rename(draft, path);
  }
}
