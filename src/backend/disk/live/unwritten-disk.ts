import { violation } from '../../../common/invariant.ts';
import type { Disk, Extent } from '../disk.ts';
import { extentAt } from '../extent.ts';
import { assertRange, readonlyError } from '../range.ts';

/** A disk that has nothing of its own yet: it shows an image that others may show, too. Writes do not get here. */
export class UnwrittenDisk implements Disk {
  readonly format: Disk['format'];
  readonly sizeBytes: number;
  readonly readonly: boolean;
  private readonly shown: Disk;

  constructor(shown: Disk, { sizeBytes, readonly }: Pick<Disk, 'sizeBytes' | 'readonly'>) {
    this.shown = shown;
    this.format = readonly ? shown.format : 'qcow2';
    this.sizeBytes = sizeBytes;
    this.readonly = readonly;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    assertRange(this.sizeBytes, offset, into.length);
    const shownBytes = Math.min(into.length, Math.max(0, this.shown.sizeBytes - offset));
    into.fill(0, shownBytes);
    if (shownBytes > 0) await this.shown.read(offset, into.subarray(0, shownBytes));
  }

  async extentAt(offset: number, maxBytes: number, imagesUnder: number): Promise<Extent> {
    assertRange(this.sizeBytes, offset, maxBytes);
    if (imagesUnder === 0) return { kind: 'hole', lengthBytes: maxBytes };
    const shownBytes = this.shown.sizeBytes - offset;
    if (shownBytes <= 0) return { kind: 'zero', lengthBytes: maxBytes };
    return await extentAt(this.shown, offset, Math.min(maxBytes, shownBytes), imagesUnder - 1);
  }

  /** Nothing was written. */
  async flush(): Promise<void> {}

  write(): Promise<void> {
    return Promise.reject(
      this.readonly ? readonlyError('The disk') : violation('a disk has an image of its own when it is written'),
    );
  }

  discard(): Promise<void> {
    return this.write();
  }

  writeZeroes(): Promise<void> {
    return this.write();
  }

  /** Whoever holds the image closes it. */
  async close(): Promise<void> {}
}
