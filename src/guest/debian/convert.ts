/** Turns the raw image that the guest configured into the qcow2 that is kept. */
import type { Disk } from '../../backend/disk/disk.ts';
import { createDisk, openDisk } from '../../backend/disk/live/open-disk.ts';
import type { Progress } from '../progress.ts';
import { type Extent, nonZeroRuns, wholeClusters } from './extents.ts';
import { usedExtents } from './image.ts';

const CHUNK_BYTES = 2 * 1024 ** 2;

/** Copies what is used and not zero. */
async function copyUsedParts(from: Disk, to: Disk, extents: readonly Extent[], progress: Progress): Promise<void> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const total = extents.reduce((sum, { start, end }) => sum + end - start, 0);
  let done = 0;
  for (const { start, end } of extents) {
    for (let offset = start; offset < end; offset += CHUNK_BYTES) {
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, end - offset));
      await from.read(offset, chunk);
      for (const run of nonZeroRuns(chunk)) await to.write(offset + run.start, chunk.subarray(run.start, run.end));
      done += chunk.length;
      progress.update({ phase: 'Writing the disk image', done, total, unit: 'bytes' });
    }
  }
  await to.flush();
}

/** Makes a qcow2 of a raw image with an ext4 file system. */
export async function convertToQcow2(rawPath: string, qcow2Path: string, progress: Progress): Promise<void> {
  const used = await usedExtents(rawPath);
  const raw = await openDisk(rawPath, { readonly: true, format: 'raw' });
  try {
    await createDisk(qcow2Path, { sizeBytes: raw.sizeBytes });
    const image = await openDisk(qcow2Path, { format: 'qcow2' });
    try {
      await copyUsedParts(raw, image, wholeClusters(used, raw.sizeBytes), progress);
    } finally {
      await image.close();
    }
  } finally {
    await raw.close();
  }
}
