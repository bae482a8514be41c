import { anyText, flag, instanceOf, object, optional } from '../../common/schema.ts';
import type { ByteFile } from '../../platform/files.ts';
import { assertRange, closedError, lengthOf, readonlyError } from './range.ts';
import { SparseBytes } from './sparse-bytes.ts';

/**
 * A file in memory: for tests, and where there is no file system. Closing it keeps its content; `reopen` gives it
 * again.
 */
export class MemoryByteFile implements ByteFile {
  readonly name: string;
  readonly readonly: boolean;
  private readonly content: MemoryFileContent;
  private closed = false;

  /** An empty file, or another handle on that content. `name` is for messages. */
  constructor(name: string, options: { readonly?: boolean; content?: MemoryFileContent } = {}) {
    this.name = anyText().parse(name, 'name');
    OPTIONS.parse(options, 'options');
    this.readonly = options.readonly ?? false;
    this.content = options.content ?? new MemoryFileContent();
  }

  /** Another handle on the same content. */
  reopen(options: { readonly?: boolean } = {}): MemoryByteFile {
    REOPEN_OPTIONS.parse(options, 'options');
    return new MemoryByteFile(this.name, { ...options, content: this.content });
  }

  async size(): Promise<number> {
    this.check(false);
    return this.content.sizeBytes;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.check(false);
    assertRange(Number.MAX_SAFE_INTEGER, offset, lengthOf(into));
    this.content.bytes.read(offset, into);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.check(true);
    assertRange(Number.MAX_SAFE_INTEGER, offset, lengthOf(data));
    this.content.bytes.write(offset, data);
    if (data.length > 0) this.content.sizeBytes = Math.max(this.content.sizeBytes, offset + data.length);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.check(true);
    assertRange(Number.MAX_SAFE_INTEGER, sizeBytes, 0);
    if (sizeBytes < this.content.sizeBytes) {
      this.content.bytes.clear(sizeBytes, this.content.sizeBytes - sizeBytes);
    }
    this.content.sizeBytes = sizeBytes;
  }

  async punchHole(offset: number, length: number): Promise<boolean> {
    this.check(true);
    assertRange(Number.MAX_SAFE_INTEGER, offset, length);
    this.content.bytes.clear(offset, length);
    return true;
  }

  async sync(): Promise<void> {
    this.check(false);
  }

  async close(): Promise<void> {
    this.check(false);
    this.closed = true;
  }

  private check(writing: boolean): void {
    if (this.closed) throw closedError(this.name);
    if (writing && this.readonly) throw readonlyError(this.name);
  }
}

/** What the handles on one memory file share. */
export class MemoryFileContent {
  /** @internal */
  readonly bytes = new SparseBytes();
  /** Of the file. */
  sizeBytes = 0;
}

const REOPEN_OPTIONS = object({ readonly: optional(flag()) });
const OPTIONS = object({
  readonly: optional(flag()),
  content: optional(instanceOf(MemoryFileContent, 'the content of a file')),
});
