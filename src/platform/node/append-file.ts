import { type FileHandle, open } from 'node:fs/promises';
import type { AppendFile, AppendOptions } from '../files.ts';
import { hostError, named } from './host-error.ts';

export class NodeAppendFile implements AppendFile {
  private readonly name: string;
  private readonly handle: FileHandle;

  static async open(
    path: string,
    { replace = false, isShared = false, what }: AppendOptions = {},
  ): Promise<NodeAppendFile> {
    const name = named(path, what);
    try {
      return new NodeAppendFile(name, await open(path, replace ? 'w' : 'wx', isShared ? 0o666 : 0o600));
    } catch (error) {
      throw hostError(error, `write ${name}`);
    }
  }

  private constructor(name: string, handle: FileHandle) {
    this.name = name;
    this.handle = handle;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.attempt(async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done);
        done += bytesWritten;
      }
    });
  }

  async sync(): Promise<void> {
    await this.attempt(() => this.handle.datasync());
  }

  async close(): Promise<void> {
    await this.attempt(() => this.handle.close());
  }

  private async attempt(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      throw hostError(error, `write ${this.name}`);
    }
  }
}
