import { type FileHandle, mkdtemp, open, rm, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import { nodeCodec } from '../../platform/node/codec.ts';
import { FileByteSource } from '../../platform/node/file-byte-source.ts';
import { hostError } from '../../platform/node/host-error.ts';
import type { RecordingSink } from '../../recording/host.ts';
import { Recording } from '../../recording/recording.ts';
import { joinFlight, segmentPaths } from './flight-files.ts';

/** A file that is only appended to. */
export class RecordingFile implements RecordingSink {
  readonly path: string;
  private readonly opened: Promise<FileHandle>;
  private closed = false;

  /** Throws GodwitError. `replace`: what has the name is replaced; else that is an error. */
  static async create(path: string, { replace = false } = {}): Promise<RecordingFile> {
    const file = new RecordingFile(path, replace);
    await file.opened;
    return file;
  }

  /** The same for those who cannot wait; what goes wrong is told when something is appended. */
  static createLater(path: string): RecordingFile {
    return new RecordingFile(path, false);
  }

  private constructor(path: string, replace: boolean) {
    this.path = path;
    this.opened = open(path, replace ? 'w' : 'wx', 0o600).catch((error: unknown) => {
      throw hostError(error, `write the recording ${path}`);
    });
    this.opened.catch(() => {});
  }

  async append(bytes: Uint8Array): Promise<void> {
    const handle = await this.opened;
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done);
        done += bytesWritten;
      }
    } catch (error) {
      throw hostError(error, `write the recording ${this.path}`);
    }
  }

  async finish(): Promise<void> {
    if (this.closed) return;
    const handle = await this.opened;
    try {
      await handle.datasync();
    } catch (error) {
      throw hostError(error, `write the recording ${this.path}`);
    } finally {
      await this.abandon();
    }
  }

  async abandon(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.opened.then((handle) => handle.close()).catch(() => {});
  }

  /** It is of no use. */
  async remove(): Promise<void> {
    await this.abandon();
    await unlink(this.path).catch(() => {});
  }
}

/**
 * Opens a recording for replays; of the folder that a flight recorder left behind, all of it. Throws GodwitError. The file is the
 * recording's, which is to be closed.
 */
export async function openRecording(path: string): Promise<Recording> {
  const isFolder = await stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  return isFolder ? await openFlight(path) : Recording.open(new FileByteSource(path), nodeCodec);
}

async function openFlight(path: string): Promise<Recording> {
  const parts = await segmentPaths(path);
  if (parts.length === 0) throw new GodwitError('usage', `${path} is a folder without recordings.`);
  const folder = await mkdtemp(join(tmpdir(), 'godwit-flight-'));
  try {
    const joined = join(folder, 'joined.recording');
    await joinFlight(parts, joined);
    // It stays readable without its name.
    return Recording.open(new FileByteSource(joined), nodeCodec);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
