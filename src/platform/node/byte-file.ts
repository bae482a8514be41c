import { type FileHandle, realpath, unlink } from 'node:fs/promises';
import { assertRange, closedError, readonlyError } from '../../backend/disk/range.ts';
import type { LockedFile } from '../files.ts';
import { type HostFileLock, lockFile, lockNewFile } from './file-lock.ts';
import { hostError } from './host-error.ts';
import { openRegular } from './regular-file.ts';

export interface NodeByteFileOptions {
  /** Shares the file with other readers. Without it the file is this one's alone. */
  readonly readonly?: boolean;
  /** Makes the file, which must not exist. */
  readonly create?: boolean;
  /** Of a file that is made; else what the process's mask leaves of 0666. */
  readonly mode?: number;
  /** Of a file that is made: nobody else can come upon it. */
  readonly unlocked?: boolean;
  /** For messages, if it is not the path. */
  readonly name?: string;
}

const NO_LOCK: HostFileLock = { share: async () => {}, release: async () => {} };

export interface OpenedFile {
  readonly name: string;
  readonly realPath: string;
  readonly readonly: boolean;
  readonly identity: string;
  readonly handle: FileHandle;
  readonly lock: HostFileLock;
}

/** A file of the host, locked while it is open (see file-lock.ts). */
export class NodeByteFile implements LockedFile {
  readonly readonly: boolean;
  readonly identity: string;
  private readonly handle: FileHandle;
  private readonly lock: HostFileLock;
  private currentName: string;
  private currentRealPath: string;
  private closed = false;

  static async open(path: string, options: NodeByteFileOptions = {}): Promise<NodeByteFile> {
    return new NodeByteFile(await openFile(path, options));
  }

  protected constructor(opened: OpenedFile) {
    this.currentName = opened.name;
    this.currentRealPath = opened.realPath;
    this.readonly = opened.readonly;
    this.identity = opened.identity;
    this.handle = opened.handle;
    this.lock = opened.lock;
  }

  get name(): string {
    return this.currentName;
  }

  get realPath(): string {
    return this.currentRealPath;
  }

  movedTo(realPath: string): void {
    this.currentName = realPath;
    this.currentRealPath = realPath;
  }

  async share(): Promise<void> {
    this.check(false, 0, 0);
    await this.attempt('share', () => this.lock.share());
  }

  async size(): Promise<number> {
    this.check(false, 0, 0);
    return this.attempt('look at', async () => (await this.handle.stat()).size);
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    this.check(false, offset, into.length);
    await this.attempt('read', async () => {
      for (let done = 0; done < into.length; ) {
        const { bytesRead } = await this.handle.read(into, done, into.length - done, offset + done);
        if (bytesRead === 0) {
          into.fill(0, done);
          return;
        }
        done += bytesRead;
      }
    });
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.check(true, offset, data.length);
    await this.attempt('write to', async () => {
      for (let done = 0; done < data.length; ) {
        const { bytesWritten } = await this.handle.write(data, done, data.length - done, offset + done);
        done += bytesWritten;
      }
    });
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.check(true, sizeBytes, 0);
    await this.attempt('resize', () => this.handle.truncate(sizeBytes));
  }

  /**
   * Node has no call for it, so the space of a range in the middle of a file stays taken: always false. In qcow2
   * images, which are the default, freed clusters are used again instead.
   */
  async punchHole(offset: number, length: number): Promise<boolean> {
    this.check(true, offset, length);
    return false;
  }

  async sync(): Promise<void> {
    this.check(false, 0, 0);
    // With the size, without times: what reading the data back needs.
    await this.attempt('flush', () => this.handle.datasync());
  }

  async close(): Promise<void> {
    this.check(false, 0, 0);
    this.closed = true;
    try {
      await this.attempt('close', () => this.handle.close());
    } finally {
      await this.lock.release();
    }
  }

  private check(writing: boolean, offset: number, length: number): void {
    if (this.closed) throw closedError(this.name);
    if (writing && this.readonly) throw readonlyError(this.name);
    assertRange(Number.MAX_SAFE_INTEGER, offset, length);
  }

  private async attempt<T>(action: string, call: () => Promise<T>): Promise<T> {
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

/** Opens and locks it. */
export async function openFile(path: string, options: NodeByteFileOptions): Promise<OpenedFile> {
  const { readonly = false, name = path } = options;
  const handle = await openHandle(path, options);
  try {
    const stats = await handle.stat({ bigint: true });
    const { dev, ino } = stats;
    const realPath = await realpath(path);
    const target = { realPath, dev, ino };
    const mode = readonly ? 'shared' : 'exclusive';
    const lock = await (!options.create ? lockFile(target, mode) : options.unlocked ? NO_LOCK : lockNewFile(target));
    return { name, realPath, readonly, identity: fileIdentity(stats), handle, lock };
  } catch (error) {
    await handle.close();
    if (options.create) await unlink(path).catch(() => {});
    throw hostError(error, `open ${name}`);
  }
}

async function openHandle(path: string, options: NodeByteFileOptions): Promise<FileHandle> {
  const { readonly = false, create = false, name = path, mode } = options;
  const access = create ? 'create' : readonly ? 'read' : 'write';
  const action = create ? 'create' : 'open';
  return await openRegular(path, access, { name, action, ...(mode !== undefined && { mode }) });
}
