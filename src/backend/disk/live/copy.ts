import type { Cancellation } from '../../../common/cancellation.ts';
import { GodwitError } from '../../../common/errors.ts';
import { platform } from '../../../platform/platform.ts';
import { BorrowedDisk, type CopyOptions, copyDisk, createQcow2, Qcow2Disk } from '../index.ts';
import { machineSizeOf } from '../sectors.ts';
import { type ImageName, type OpenImage, openImage } from './image.ts';

export interface CopyImageOptions {
  /**
   * The copy holds also what lies under the image. Without it, the copy lies over the same, but not over what is gone
   * with its machine.
   */
  readonly flatten?: boolean;
  readonly signal?: Cancellation;
  /** Bytes of the disk that are done, and those among them that were there to be copied. */
  readonly onProgress?: (doneBytes: number, copiedBytes: number) => void;
}

/** What a copy lies over, the nearest first. */
export function imagesUnderCopy({ under }: OpenImage): readonly ImageName[] {
  const first = under.findIndex(({ path }) => !platform().files.isTemporary(path));
  return first < 0 ? [] : under.slice(first);
}

/**
 * Copies an image that nobody changes into a new qcow2 image, which appears complete or not at all. Takes no space for
 * what is empty.
 */
export async function copyImage(image: OpenImage, path: string, options: CopyImageOptions = {}): Promise<void> {
  const { flatten = false, signal, onProgress } = options;
  const { disk, under } = image;
  const below = flatten ? [] : imagesUnderCopy(image);
  const [backing] = below;
  const copying: CopyOptions = {
    imagesUnder: under.length - below.length,
    targetHasBacking: backing !== undefined,
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  };
  const backingImage = backing && (await openImage(backing.path, { readonly: true, format: backing.format }));
  try {
    await platform().files.createWhole(path, async (file) => {
      await createQcow2(file, {
        sizeBytes: machineSizeOf(disk),
        // Clusters of the same size are written whole, so little is read from what lies under them.
        ...(disk.format === 'qcow2' ? { clusterBits: Math.log2(disk.clusterBytes) } : {}),
        ...(backing === undefined ? {} : { backing }),
      });
      const copy = await Qcow2Disk.open(file, { openBacking: async () => new BorrowedDisk(backingImage!.disk) });
      await copyDisk(disk, copy, copying);
      await copy.settle();
    });
  } catch (error) {
    if (signal?.aborted)
      throw new GodwitError('state', `Copying the disk to ${path} was called off.`, { cause: error });
    throw error;
  } finally {
    await backingImage?.disk.close();
  }
}
