import { type FileHandle, open, realpath } from 'node:fs/promises';
import { assertRange, closedError, readonlyError } from '../../backend/disk/range.ts';
import { GodwitError } from '../../common/errors.ts';
import type { ByteFile } from '../files.ts';
import { hostError } from './host-error.ts';
import { type ImageLock, lockImage } from './image-lock.ts';

export interface NodeByteFileOptions {
  /** Shares the file with other readers. Without it the file is this one's alone. */
  readonly?: boolean;
  /** Makes the file, which must not exist. */
  create?: boolean;
}

/** A file of the host, locked while it is open (see image-lock.ts). */
export class NodeByteFile implements ByteFile {
  readonly readonly: boolean;
  /** The same for all names of one file. */
  readonly identity: string;
  readonly #handle: FileHandle;
  readonly #lock: ImageLock;
  #name: string;
  #realPath: string;
  #closed = false;

  static async open(path: string, options: NodeByteFileOptions = {}): Promise<NodeByteFile> {
    const readonly = options.readonly ?? false;
    const handle = await openHandle(path, readonly, options.create ?? false);
    try {
      const stats = await handle.stat({ bigint: true });
      if (!stats.isFile()) throw new GodwitError('usage', `${path} is not a regular file.`);
      const { dev, ino } = stats;
      const realPath = await realpath(path);
      const lock = await lockImage({ realPath, dev, ino }, readonly ? 'shared' : 'exclusive');
      return new NodeByteFile({ path, realPath, readonly, identity: fileIdentity(stats), handle, lock });
    } catch (error) {
      await handle.close();
      throw hostError(error, `open ${path}`);
    }
  }

  private constructor(parts: {
    path: string;
    realPath: string;
    readonly: boolean;
    identity: string;
    handle: FileHandle;
    lock: ImageLock;
  }) {
    this.#name = parts.path;
    this.#realPath = parts.realPath;
    this.readonly = parts.readonly;
    this.identity = parts.identity;
    this.#handle = parts.handle;
    this.#lock = parts.lock;
  }

  get name(): string {
    return this.#name;
  }

  /** With symbolic links resolved. */
  get realPath(): string {
    return this.#realPath;
  }

  /** The file has got another name. */
  movedTo(realPath: string): void {
    this.#name = realPath;
    this.#realPath = realPath;
  }

  /** Lets others read the file. The caller writes no more. */
  async share(): Promise<void> {
    this.#check(false, 0, 0);
    await this.#attempt('share', () => this.#lock.share());
  }

  async size(): Promise<number> {
    this.#check(false, 0, 0);
    return this.#attempt('look at', async () => (await this.#handle.stat()).size);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.#check(false, offset, into.length);
    await this.#attempt('read', async () => {
      for (let done = 0; done < into.length; ) {
        const { bytesRead } = await this.#handle.read(into, done, into.length - done, offset + done);
        if (bytesRead === 0) {
          into.fill(0, done);
          return;
        }
        done += bytesRead;
      }
    });
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#check(true, offset, data.length);
    await this.#attempt('write to', async () => {
      for (let done = 0; done < data.length; ) {
        const { bytesWritten } = await this.#handle.write(data, done, data.length - done, offset + done);
        done += bytesWritten;
      }
    });
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.#check(true, sizeBytes, 0);
    await this.#attempt('resize', () => this.#handle.truncate(sizeBytes));
  }

  /**
   * Node has no call for it, so the space of a range in the middle of a file stays taken: always false. In qcow2 images,
   * which are the default, freed clusters are used again instead.
   */
  async punchHole(offset: number, length: number): Promise<boolean> {
    this.#check(true, offset, length);
    return false;
  }

  async sync(): Promise<void> {
    this.#check(false, 0, 0);
    // With the size, without times: what reading the data back needs.
    await this.#attempt('flush', () => this.#handle.datasync());
  }

  async close(): Promise<void> {
    this.#check(false, 0, 0);
    this.#closed = true;
    try {
      await this.#attempt('close', () => this.#handle.close());
    } finally {
      await this.#lock.release();
    }
  }

  #check(writing: boolean, offset: number, length: number): void {
    if (this.#closed) throw closedError(this.name);
    if (writing && this.readonly) throw readonlyError(this.name);
    assertRange(Number.MAX_SAFE_INTEGER, offset, length);
  }

  async #attempt<T>(action: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw hostError(error, `${action} ${this.name}`);
    }
  }
}

export function fileIdentity(stats: { dev: bigint; ino: bigint }): string {
  return `${stats.dev}:${stats.ino}`;
}

async function openHandle(path: string, readonly: boolean, create: boolean): Promise<FileHandle> {
  try {
    return await open(path, create ? 'wx+' : readonly ? 'r' : 'r+');
  } catch (error) {
    throw hostError(error, `${create ? 'create' : 'open'} ${path}`);
  }
}
