import { GodwitError } from '../../common/errors.ts';
import type { FileLock, LockedFile } from '../files.ts';
import { browserError } from './error.ts';

/**
 * A file behind a synchronous handle of a worker. Handles are opened so that they do not exclude one another; who may
 * have the file is said by a lock, as everywhere.
 */
export class BrowserByteFile implements LockedFile {
  readonly readonly: boolean;
  private path: string;
  private readonly handle: FileSystemSyncAccessHandle;
  private readonly lock: FileLock;
  private readonly shared: () => Promise<FileLock>;
  private sharedLock: FileLock | undefined;
  private closed = false;

  /** `shared` gives a lock that others can have too. */
  constructor(parts: {
    readonly path: string;
    readonly readonly: boolean;
    readonly handle: FileSystemSyncAccessHandle;
    readonly lock: FileLock;
    readonly shared: () => Promise<FileLock>;
  }) {
    this.path = parts.path;
    this.readonly = parts.readonly;
    this.handle = parts.handle;
    this.lock = parts.lock;
    this.shared = parts.shared;
  }

  get name(): string {
    return this.path;
  }

  get realPath(): string {
    return this.path;
  }

  /** There is one name for each file. */
  get identity(): string {
    return this.path;
  }

  movedTo(realPath: string): void {
    this.path = realPath;
  }

  async share(): Promise<void> {
    if (this.readonly || this.sharedLock) return;
    await this.lock.release();
    this.sharedLock = await this.shared();
  }

  async size(): Promise<number> {
    return this.attempt('look at', () => this.handle.getSize());
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.attempt('read', () => readAll(this.handle, offset, into));
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    if (this.readonly) throw new GodwitError('usage', `${this.name} is open for reading only.`);
    this.attempt('write to', () => writeAll(this.handle, offset, data));
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.attempt('resize', () => this.handle.truncate(sizeBytes));
  }

  /** No browser gives back a part of a file. */
  async punchHole(): Promise<boolean> {
    return false;
  }

  async sync(): Promise<void> {
    this.attempt('flush', () => this.handle.flush());
  }

  async close(): Promise<void> {
    if (this.closed) throw new GodwitError('state', `${this.name} is closed.`);
    this.closed = true;
    this.handle.close();
    await (this.sharedLock ?? this.lock).release();
  }

  private attempt<T>(action: string, call: () => T): T {
    if (this.closed) throw new GodwitError('state', `${this.name} is closed.`);
    try {
      return call();
    } catch (error) {
      throw browserError(error, `${action} ${this.name}`);
    }
  }
}

/** Handles take no view of memory that threads share. */
function asPlain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

/** A write of nothing less than all is not promised. */
export function writeAll(handle: FileSystemSyncAccessHandle, offset: number, data: Uint8Array): void {
  const plain = data.buffer instanceof ArrayBuffer ? asPlain(data) : data.slice();
  for (let done = 0; done < plain.length; ) {
    const written = handle.write(plain.subarray(done), { at: offset + done });
    if (written === 0) throw new GodwitError('full', 'The browser gives no more space.');
    done += written;
  }
}

/** Zeros past the end of the file. Gives how many bytes there were. */
export function readAll(handle: FileSystemSyncAccessHandle, offset: number, into: Uint8Array): number {
  if (into.buffer instanceof ArrayBuffer) {
    const count = handle.read(asPlain(into), { at: offset });
    into.fill(0, count);
    return count;
  }
  const copy = new Uint8Array(into.length);
  const count = handle.read(copy, { at: offset });
  into.set(copy);
  return count;
}
