import type { FrozenDisk } from '../../backend/disk/live/live-disk.ts';
import { join } from '../../common/paths.ts';
import { platform } from '../../platform/platform.ts';

export interface CopyDisksOptions {
  readonly signal: AbortSignal;
  /** Bytes of all disks that have been copied. */
  readonly onProgress: (doneBytes: number) => void;
  /** A machine's disk could not be brought back now; it will be later. */
  readonly onError: (disk: number, error: unknown) => void;
}

/** All disks of a machine as they were at one moment, and what becomes of them. */
export class FrozenDisks {
  readonly all: readonly FrozenDisk[];
  /** About as many as their images take on the host, whatever size the machine sees. */
  readonly bytesToCopy: number;

  /** When one fails, the machine gets the others back. */
  static async waitFor(switched: readonly Promise<FrozenDisk>[]): Promise<FrozenDisks> {
    const results = await Promise.allSettled(switched);
    const frozen = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return new FrozenDisks(frozen, await bytesToCopy(frozen));
    await Promise.allSettled(frozen.map((disk) => disk.commit()));
    throw failed.reason;
  }

  private constructor(all: readonly FrozenDisk[], toCopy: number) {
    this.all = all;
    this.bytesToCopy = toCopy;
  }

  /** Copies those that are not kept into a folder. The machine gets them back, also when it fails. */
  async copyInto(folder: string, options: CopyDisksOptions): Promise<void> {
    const doneBytes = this.all.map(() => 0);
    const copies = this.all.map(async (disk, index) => {
      if (disk.isKept) return;
      const onProgress = (_done: number, copied: number): void => {
        doneBytes[index] = copied;
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

async function bytesToCopy(disks: readonly FrozenDisk[]): Promise<number> {
  const copied = disks.filter(({ isKept }) => !isKept);
  const found = await Promise.all(copied.map(({ path }) => platform().files.look(path)));
  return found.reduce((sum, info) => sum + (info?.storedBytes ?? 0), 0);
}

export function copyName(disk: number): string {
  return `disk${disk}.qcow2`;
}
