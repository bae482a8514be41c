import { GodwitError } from '../../common/errors.ts';
import type { AppendFile, FileLock } from '../../platform/files.ts';
import { platform } from '../../platform/platform.ts';
import type { RecordingSink } from '../../recording/host.ts';

export interface RecordingFileOptions {
  /** What has the name is replaced; else that is an error. */
  readonly replace?: boolean;
}

/**
 * A recording that is being written. It is locked meanwhile, so that those who follow it see whether somebody still
 * writes.
 */
export class RecordingFile implements RecordingSink {
  readonly path: string;
  private readonly opened: Promise<AppendFile>;
  private lock: FileLock | undefined;
  private closed = false;

  /** Throws GodwitError. */
  static async create(path: string, { replace = false }: RecordingFileOptions = {}): Promise<RecordingFile> {
    const file = new RecordingFile(path, replace);
    await file.opened;
    try {
      file.lock = await lockRegularFile(path);
    } catch (error) {
      await file.abandon();
      throw error;
    }
    return file;
  }

  /** One that nobody follows, for those who cannot wait; what goes wrong is told when something is appended. */
  static createLater(path: string): RecordingFile {
    return new RecordingFile(path, false);
  }

  private constructor(path: string, replace: boolean) {
    this.path = path;
    this.opened = platform().files.openAppend(path, { replace });
    this.opened.catch(() => {});
  }

  async append(bytes: Uint8Array): Promise<void> {
    const file = await this.opened;
    await file.append(bytes);
  }

  async finish(): Promise<void> {
    if (this.closed) return;
    const file = await this.opened;
    try {
      await file.sync();
    } finally {
      await this.abandon();
    }
  }

  async abandon(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.opened.then((file) => file.close()).catch(() => {});
    await this.lock?.release().catch(() => {});
  }

  /** It is of no use. */
  async remove(): Promise<void> {
    await this.abandon();
    const { files } = platform();
    const found = await files.look(this.path).catch(() => undefined);
    if (found?.kind === 'file') await files.removeFile(this.path).catch(() => {});
  }
}

/** Without a lock where there can be none, as in a folder that cannot be written to. */
async function lockRegularFile(path: string): Promise<FileLock | undefined> {
  const { files } = platform();
  if ((await files.look(path))?.kind !== 'file') return undefined;
  try {
    return await files.lock(path, 'exclusive');
  } catch (error) {
    if (error instanceof GodwitError && error.code === 'locked') throw error;
    return undefined;
  }
}
