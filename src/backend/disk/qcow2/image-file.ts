import { GodwitError } from '../../../common/errors.ts';
import type { ByteFile } from '../../../platform/files.ts';

/**
 * The file of an image, with its end kept in memory. Nothing past `endBytes` has ever been written, so it reads as
 * zeros once the file grows over it.
 */
export class ImageFile {
  readonly file: ByteFile;
  private fileEndBytes: number;
  private readonly isTemporary: boolean;
  private failure: unknown;

  /** `temporary`: nobody will need it after a crash of the host, so nothing is brought to stable storage. */
  static async of(file: ByteFile, { temporary = false } = {}): Promise<ImageFile> {
    return new ImageFile(file, await file.size(), temporary);
  }

  private constructor(file: ByteFile, endBytes: number, isTemporary: boolean) {
    this.file = file;
    this.fileEndBytes = endBytes;
    this.isTemporary = isTemporary;
  }

  get name(): string {
    return this.file.name;
  }

  get endBytes(): number {
    return this.fileEndBytes;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.file.read(offset, into);
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    // Before the write: one that fails may have left a part of its bytes.
    this.fileEndBytes = Math.max(this.fileEndBytes, offset + data.length);
    return this.file.write(offset, data);
  }

  /**
   * A write that switches the image over. When it fails it is not known which side the file is on, so that is for good.
   */
  async writeSwitch(offset: number, data: Uint8Array): Promise<void> {
    try {
      await this.file.write(offset, data);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** Makes the file at least this long. */
  async extend(sizeBytes: number): Promise<void> {
    if (sizeBytes <= this.fileEndBytes) return;
    await this.file.truncate(sizeBytes);
    this.fileEndBytes = Math.max(this.fileEndBytes, sizeBytes);
  }

  /**
   * A failed sync is for good: the host may have dropped what it could not write, and another sync would not tell. What
   * cannot be written, for want of space say, may be tried again.
   */
  async sync(): Promise<void> {
    this.assertSound();
    if (this.isTemporary) return;
    try {
      await this.file.sync();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  assertSound(): void {
    if (this.failure === undefined) return;
    throw new GodwitError('io', `The disk image ${this.name} takes no more writes, since the host has lost some.`, {
      cause: this.failure,
    });
  }

  damaged(what: string): GodwitError {
    return new GodwitError('damaged', `The disk image ${this.name} is damaged: ${what}.`, {
      hint: 'Look at it with "qemu-img check"; "qemu-img check -r all" repairs what can be repaired.',
    });
  }

  unsupported(what: string, hint?: string): GodwitError {
    const message = `The disk image ${this.name} uses ${what}, which godwit does not do.`;
    return new GodwitError('unsupported', message, hint === undefined ? {} : { hint });
  }
}
