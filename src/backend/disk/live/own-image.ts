import { platform } from '../../../platform/platform.ts';
import { BorrowedDisk, createQcow2, Qcow2Disk } from '../index.ts';
import type { OpenImage } from './image.ts';

/**
 * Makes an empty image over another, at a path that must not exist, for what is written from now on. Nobody will need
 * it when this process has ended: it is not brought to stable storage, and it need not appear whole.
 */
export async function createOwnImage(path: string, below: OpenImage, sizeBytes: number): Promise<OpenImage> {
  const { files } = platform();
  const format = below.disk.format;
  const name = below.file.realPath;
  const file = await files.open(path, { create: true });
  try {
    await createQcow2(file, { sizeBytes, temporary: true, backing: { path: name, format } });
    const disk = await Qcow2Disk.open(file, { temporary: true, openBacking: async () => new BorrowedDisk(below.disk) });
    return { disk, file, under: [{ path: name, format }, ...below.under] };
  } catch (error) {
    await file.close().catch(() => {});
    await files.removeFile(path).catch(() => {});
    throw error;
  }
}
