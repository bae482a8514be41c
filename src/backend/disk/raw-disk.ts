import { GodwitError } from '../../common/errors.ts';
import { flag, object, optional, type Schema } from '../../common/schema.ts';
import type { ByteFile } from '../../platform/files.ts';
import { BYTE_FILE } from './arguments.ts';
import type { Disk } from './disk.ts';
import { looksLikeQcow2 } from './probe.ts';
import { assertRange, closedError, lengthOf, readonlyError } from './range.ts';
import { wholeSectors } from './sectors.ts';
import { fillWithZeros } from './zero-fill.ts';

/** How a raw image is opened. */
export interface RawDiskOptions {
  /** Nothing is written. */
  readonly?: boolean;
  /**
   * Set when the format was guessed from the content. A guest must then not be able to turn its disk into one of
   * another format, which might name any file of the host as its backing file: such a write to the first bytes is
   * refused.
   */
  formatWasProbed?: boolean;
}

const OPTIONS: Schema<RawDiskOptions> = object({ readonly: optional(flag()), formatWasProbed: optional(flag()) });

/**
 * A disk whose bytes are those of a file. It takes over the file: closing the disk closes it. Where the file does not
 * end with a sector, requests may reach to the sector's end: zeros are read there, and what is written lets the file
 * grow.
 */
export class RawDisk implements Disk {
  readonly format = 'raw';
  readonly sizeBytes: number;
  readonly readonly: boolean;
  private readonly file: ByteFile;
  private readonly formatWasProbed: boolean;
  private closed = false;

  /** Takes over the file. */
  static async open(file: ByteFile, options: RawDiskOptions = {}): Promise<RawDisk> {
    BYTE_FILE.parse(file, 'file');
    OPTIONS.parse(options, 'options');
    return new RawDisk(file, await file.size(), options);
  }

  private constructor(file: ByteFile, sizeBytes: number, options: RawDiskOptions) {
    this.file = file;
    this.sizeBytes = sizeBytes;
    this.readonly = (options.readonly ?? false) || file.readonly;
    this.formatWasProbed = options.formatWasProbed ?? false;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.check(offset, lengthOf(into));
    await this.file.read(offset, into);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.checkWrite(offset, lengthOf(data));
    if (this.formatWasProbed && offset < 4) await this.refuseChangeOfFormat(offset, data);
    await this.file.write(offset, data);
  }

  async flush(): Promise<void> {
    this.check(0, 0);
    if (!this.readonly) await this.file.sync();
  }

  async discard(offset: number, length: number): Promise<void> {
    this.checkWrite(offset, length);
    if (length > 0) await this.file.punchHole(offset, length);
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.checkWrite(offset, length);
    if (length === 0) return;
    if (unmap && (await this.file.punchHole(offset, length))) return;
    await fillWithZeros(this.file, offset, length);
  }

  async close(): Promise<void> {
    this.check(0, 0);
    this.closed = true;
    try {
      if (!this.readonly) await this.file.sync();
    } finally {
      await this.file.close();
    }
  }

  private async refuseChangeOfFormat(offset: number, data: Uint8Array): Promise<void> {
    const start = new Uint8Array(4);
    await this.file.read(0, start);
    start.set(data.subarray(0, 4 - offset), offset);
    if (!looksLikeQcow2(start)) return;
    throw new GodwitError(
      'denied',
      `The guest tried to turn the disk ${this.file.name}, whose format was guessed as raw, into a qcow2 image.`,
      { hint: 'Name the format when you open the disk: format raw.' },
    );
  }

  private check(offset: number, length: number): void {
    if (this.closed) throw closedError(`The disk ${this.file.name}`);
    assertRange(wholeSectors(this.sizeBytes), offset, length);
  }

  private checkWrite(offset: number, length: number): void {
    this.check(offset, length);
    if (this.readonly) throw readonlyError(`The disk ${this.file.name}`);
  }
}
