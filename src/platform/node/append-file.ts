import { type FileHandle, open } from 'node:fs/promises';
import type { AppendFile } from '../files.ts';
import { hostError } from './host-error.ts';

export class NodeAppendFile implements AppendFile {
  private readonly path: string;
  private readonly handle: FileHandle;

  static async open(path: string, { replace = false }: { readonly replace?: boolean } = {}): Promise<NodeAppendFile> {
    try {
      return new NodeAppendFile(path, await open(path, replace ? 'w' : 'wx', 0o600));
    } catch (error) {
      throw hostError(error, `write ${path}`);
    }
  }

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
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
      throw hostError(error, `write ${this.path}`);
    }
  }
}
