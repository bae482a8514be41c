import type { CopyOptions } from '../../backend/disk/copy-disk.ts';
import { BorrowedDisk, copyDisk, createQcow2, Qcow2Disk } from '../../backend/disk/index.ts';
import { GodwitError } from '../../common/errors.ts';
import { createWhole } from './disk-files.ts';
import { type OpenImage, openImage } from './disk-image.ts';
import { absoluteBacking } from './disk-overlay.ts';

export interface CopyImageOptions {
  /** The copy holds also what lies under the image. Without it, the copy lies over the same file, by its absolute path. */
  readonly flatten?: boolean;
  readonly signal?: AbortSignal;
  /** Bytes of the disk that are done. */
  readonly onProgress?: (doneBytes: number) => void;
}

/** Copies an image that nobody changes into a new qcow2 image, which appears complete or not at all. Takes no space for what is empty. */
export async function copyImage(image: OpenImage, path: string, options: CopyImageOptions = {}): Promise<void> {
  const { flatten = false, signal, onProgress } = options;
  const { disk } = image;
  const backing = flatten ? undefined : await openBacking(image);
  const copying: CopyOptions = {
    flatten,
    targetHasBacking: backing !== undefined,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  try {
    await createWhole(path, async (file) => {
      await createQcow2(file, {
        sizeBytes: disk.sizeBytes,
        // Clusters of the same size are written whole, so nothing is read from what lies under them.
        ...(disk.format === 'qcow2' ? { clusterBits: Math.log2(disk.clusterBytes) } : {}),
        ...(backing === undefined ? {} : { backing: backing.reference }),
      });
      const copy = await Qcow2Disk.open(file, {
        openBacking: async () => new BorrowedDisk(backing!.image.disk),
      });
      await copyDisk(disk, copy, copying);
      await copy.settle();
    });
  } catch (error) {
    if (signal?.aborted)
      throw new GodwitError('state', `Copying the disk to ${path} was called off.`, { cause: error });
    throw error;
  } finally {
    await backing?.image.disk.close();
  }
}

async function openBacking(
  image: OpenImage,
): Promise<{ image: OpenImage; reference: { path: string; format: 'raw' | 'qcow2' } } | undefined> {
  const reference = absoluteBacking(image);
  if (reference === undefined) return undefined;
  const { path, format } = reference;
  const backing = await openImage(path, { readonly: true, ...(format === undefined ? {} : { format }) });
  return { image: backing, reference: { path, format: backing.disk.format } };
}
