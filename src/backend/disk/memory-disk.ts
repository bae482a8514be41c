import { flag, object, optional } from '../../common/schema.ts';
import type { Disk } from './disk.ts';
import { assertDiskSize, assertRange, closedError, lengthOf, readonlyError } from './range.ts';
import { SparseBytes } from './sparse-bytes.ts';

const OPTIONS = object({ readonly: optional(flag()) });

/** A disk that lives in memory only. It takes up what was written to it, in pieces of 64 KiB. */
export class MemoryDisk implements Disk {
  readonly format = 'memory';
  readonly sizeBytes: number;
  readonly readonly: boolean;
  private readonly bytes = new SparseBytes();
  private closed = false;

  /** All zeros. Throws GodwitError('usage') for a size that no disk has. */
  constructor(sizeBytes: number, options: { readonly?: boolean } = {}) {
    assertDiskSize(sizeBytes);
    OPTIONS.parse(options, 'options');
    this.sizeBytes = sizeBytes;
    this.readonly = options.readonly ?? false;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.check(offset, lengthOf(into));
    this.bytes.read(offset, into);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.checkWrite(offset, lengthOf(data));
    this.bytes.write(offset, data);
  }

  async flush(): Promise<void> {
    this.check(0, 0);
  }

  async discard(offset: number, length: number): Promise<void> {
    this.checkWrite(offset, length);
    this.bytes.clear(offset, length);
  }

  async writeZeroes(offset: number, length: number, _unmap: boolean): Promise<void> {
    this.checkWrite(offset, length);
    this.bytes.clear(offset, length);
  }

  async close(): Promise<void> {
    this.check(0, 0);
    this.closed = true;
  }

  private check(offset: number, length: number): void {
    if (this.closed) throw closedError('The memory disk');
    assertRange(this.sizeBytes, offset, length);
  }

  private checkWrite(offset: number, length: number): void {
    this.check(offset, length);
    if (this.readonly) throw readonlyError('The memory disk');
  }
}
