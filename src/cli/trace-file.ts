import { type FileHandle, open } from 'node:fs/promises';
import { hostError } from '../platform/node/host-error.ts';

/** A file that text is appended to, in order. Its errors are GodwitErrors. */
export class TraceFile {
  private readonly path: string;
  private readonly handle: FileHandle;
  private written = Promise.resolve();

  /** A file of that name that exists is emptied. */
  static async open(path: string): Promise<TraceFile> {
    const handle = await open(path, 'w').catch((error: unknown) => {
      throw hostError(error, `write the trace ${path}`);
    });
    return new TraceFile(path, handle);
  }

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  /** Rejects for all that follows the first failure. */
  write(text: string): Promise<void> {
    this.written = this.written.then(async () => {
      try {
        await this.handle.writeFile(text);
      } catch (error) {
        throw hostError(error, `write the trace ${this.path}`);
      }
    });
    return this.written;
  }

  /** What was written before is in the file. */
  async close(): Promise<void> {
    await this.written.catch(() => {});
    await this.handle.close();
  }
}
