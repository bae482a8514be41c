import { DISK } from './arguments.ts';
import type { Disk, Extent } from './disk.ts';
import { extentAt } from './extent.ts';

/** A disk that belongs to someone else: closing this leaves it open. */
export class BorrowedDisk implements Disk {
  readonly format: Disk['format'];
  readonly sizeBytes: number;
  readonly readonly: boolean;
  private readonly disk: Disk;

  /** Shows this disk. */
  constructor(disk: Disk) {
    DISK.parse(disk, 'disk');
    this.format = disk.format;
    this.sizeBytes = disk.sizeBytes;
    this.readonly = disk.readonly;
    this.disk = disk;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.disk.read(offset, into);
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.disk.write(offset, data);
  }

  flush(): Promise<void> {
    return this.disk.flush();
  }

  discard(offset: number, length: number): Promise<void> {
    return this.disk.discard(offset, length);
  }

  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    return this.disk.writeZeroes(offset, length, unmap);
  }

  extentAt(offset: number, maxBytes: number, imagesUnder: number): Promise<Extent> {
    return extentAt(this.disk, offset, maxBytes, imagesUnder);
  }

  async close(): Promise<void> {}
}
