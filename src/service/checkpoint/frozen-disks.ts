import type { FrozenDisk } from '../../backend/disk/live/live-disk.ts';
import { join } from '../../common/paths.ts';

export interface CopyDisksOptions {
  readonly signal: AbortSignal;
  /** Bytes of all disks that are done. */
  readonly onProgress: (doneBytes: number) => void;
  /** A machine's disk could not be brought back now; it will be later. */
  readonly onError: (disk: number, error: unknown) => void;
}

/** All disks of a machine as they were at one moment, and what becomes of them. */
export class FrozenDisks {
  readonly all: readonly FrozenDisk[];

  /** When one fails, the machine gets the others back. */
  static async waitFor(switched: readonly Promise<FrozenDisk>[]): Promise<FrozenDisks> {
    const results = await Promise.allSettled(switched);
    const frozen = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return new FrozenDisks(frozen);
    await Promise.allSettled(frozen.map((disk) => disk.commit()));
    throw failed.reason;
  }

  private constructor(all: readonly FrozenDisk[]) {
    this.all = all;
  }

  get bytesToCopy(): number {
    return this.all.reduce((sum, { isKept, sizeBytes }) => sum + (isKept ? 0 : sizeBytes), 0);
  }

  /** Copies those that are not kept into a folder. The machine gets them back, also when it fails. */
  async copyInto(folder: string, options: CopyDisksOptions): Promise<void> {
    const doneBytes = this.all.map(() => 0);
    const copies = this.all.map(async (disk, index) => {
      if (disk.isKept) return;
      const onProgress = (done: number): void => {
        doneBytes[index] = done;
        options.onProgress(doneBytes.reduce((sum, bytes) => sum + bytes, 0));
      };
      try {
        await disk.copyTo(join(folder, copyName(index)), { signal: options.signal, onProgress });
      } finally {
        await disk.commit().catch((error: unknown) => options.onError(index, error));
      }
    });
    const results = await Promise.allSettled(copies);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** What was to be kept is kept from now on. */
  async keepImages(): Promise<void> {
    await Promise.all(this.all.filter(({ isKept }) => isKept).map((disk) => disk.keep()));
  }

  /** There is nothing that it would be kept for: the machine goes on with its disks as before. */
  async returnToMachine(onError: (disk: number, error: unknown) => void): Promise<void> {
    const kept = this.all.map((disk, index) =>
      disk.isKept ? disk.commit().catch((error: unknown) => onError(index, error)) : undefined,
    );
    await Promise.all(kept);
  }
}

export function copyName(disk: number): string {
  return `disk${disk}.qcow2`;
}
