import { GodwitError } from '../../src/common/errors.ts';
import type { LockedFile } from '../../src/platform/files.ts';
import type { FileContent, MemoryFiles } from './memory-files.ts';

/** A file of MemoryFiles, open and locked. */
export class MemoryFile implements LockedFile {
  readonly name: string;
  readonly readonly: boolean;
  realPath: string;
  private readonly files: MemoryFiles;
  private readonly content: FileContent;

  /** The caller has the content's lock, which goes with the file. */
  constructor(files: MemoryFiles, path: string, content: FileContent, readonly: boolean) {
    this.files = files;
    this.content = content;
    this.name = path;
    this.realPath = path;
    this.readonly = readonly;
  }

  get identity(): string {
    return this.content.identity;
  }

  movedTo(realPath: string): void {
    this.realPath = realPath;
  }

  async share(): Promise<void> {
    this.content.lock = 1;
  }

  async size(): Promise<number> {
    return this.content.bytes.length;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    into.fill(0);
    into.set(this.content.bytes.subarray(offset, offset + into.length));
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    if (this.readonly) throw new GodwitError('denied', `${this.name} is read-only.`);
    this.files.change(`write to ${this.name}`, () => {
      const bytes = new Uint8Array(Math.max(this.content.bytes.length, offset + data.length));
      bytes.set(this.content.bytes);
      bytes.set(data, offset);
      this.content.bytes = bytes;
    });
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.files.change(`resize ${this.name}`, () => {
      const bytes = new Uint8Array(sizeBytes);
      bytes.set(this.content.bytes.subarray(0, sizeBytes));
      this.content.bytes = bytes;
    });
  }

  async punchHole(): Promise<boolean> {
    return false;
  }

  async sync(): Promise<void> {
    this.files.change(`flush ${this.name}`, () => {});
  }

  async close(): Promise<void> {
    this.files.unlock(this.content, this.readonly ? 'shared' : 'exclusive');
  }
}
