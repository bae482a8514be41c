import { type Cancellation, throwIfCancelled } from '../../common/cancellation.ts';
import { GodwitError } from '../../common/errors.ts';
import { cancellation, milliseconds, object, optional, type Schema, text } from '../../common/schema.ts';
import type { GrowingByteSource } from '../../platform/byte-source.ts';
import { platform } from '../../platform/platform.ts';
import { Recording } from '../../recording/recording.ts';

/** How a recording is followed. */
export interface FollowOptions {
  /** Milliseconds between looks at the file. Default 50. */
  readonly everyMs?: number;
  /** Ends waiting for the recording to begin. */
  readonly signal?: Cancellation;
}

const FOLLOW_OPTIONS: Schema<FollowOptions> = object({
  everyMs: optional(milliseconds()),
  signal: optional(cancellation()),
});

const EVERY_MS = 50;
/** A file that has not grown for so long: is anybody there who writes it? */
const QUIET_MS = 1000;
/** Asking costs some files: it is done more and more seldom. */
const LONGEST_QUIET_MS = 8000;

/**
 * A recording that is replayed while it is made, by this process or another. It has ended when its maker ended it or is
 * gone.
 */
export class FollowedRecording {
  /** What there is of it; it grows with `refresh`. */
  readonly recording: Recording;
  private readonly path: string;
  private readonly everyMs: number;
  private grownMs: number;
  private quietMs = QUIET_MS;

  /**
   * Opens a recording that is being made, as soon as it has all that a replay begins with. The file is the recording's,
   * which is to be closed. Throws GodwitError as `openRecording` does; 'damaged' also when its maker is gone before it
   * had come so far.
   */
  static async open(path: string, options: FollowOptions = {}): Promise<FollowedRecording> {
    const { everyMs = EVERY_MS, signal } = FOLLOW_OPTIONS.parse(options, 'options');
    const { files } = platform();
    const absolute = files.absolute(text().parse(path, 'path'));
    const source = await files.openGrowing(path);
    try {
      const recording = await untilBegun(source, absolute, everyMs, signal);
      return new FollowedRecording(recording, absolute, everyMs);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  private constructor(recording: Recording, path: string, everyMs: number) {
    this.recording = recording;
    this.path = path;
    this.everyMs = everyMs;
    this.grownMs = platform().clock.nowMs();
  }

  /** Looks for more. True: there is some, or it is known now that none will come. Throws GodwitError('io'). */
  async refresh(): Promise<boolean> {
    const { recording } = this;
    const nowMs = platform().clock.nowMs();
    if (recording.refresh()) {
      this.grownMs = nowMs;
      this.quietMs = QUIET_MS;
      return true;
    }
    if (!recording.isGrowing) return true;
    if (nowMs - this.grownMs < this.quietMs) return false;
    this.grownMs = nowMs;
    this.quietMs = Math.min(2 * this.quietMs, LONGEST_QUIET_MS);
    if (await isBeingWritten(this.path)) return false;
    // The last of it may have come just before its maker let go.
    recording.refresh();
    recording.giveUp();
    return true;
  }

  /** Resolves when there is more, or it is known that none will come. */
  async changed(): Promise<void> {
    while (!(await this.refresh())) await platform().timers.sleep(this.everyMs);
  }
}

async function untilBegun(
  source: GrowingByteSource,
  path: string,
  everyMs: number,
  signal: Cancellation | undefined,
): Promise<Recording> {
  const { clock, codec, timers } = platform();
  const begin = Recording.follow(source, codec);
  let seen = { bytes: source.sizeBytes, ms: clock.nowMs() };
  for (;;) {
    const recording = begin();
    if (recording) return recording;
    throwIfCancelled(signal, `Waiting for ${path} was called off`);
    await timers.sleep(everyMs);
    source.refresh();
    if (source.sizeBytes !== seen.bytes) seen = { bytes: source.sizeBytes, ms: clock.nowMs() };
    else if (clock.nowMs() - seen.ms >= QUIET_MS) {
      const isWritten = await isBeingWritten(path);
      source.refresh();
      // For its words.
      if (!isWritten && source.sizeBytes === seen.bytes) return Recording.open(source, codec);
      seen.ms = clock.nowMs();
    }
  }
}

/** Who writes a recording has it locked. */
export async function isBeingWritten(path: string): Promise<boolean> {
  try {
    const lock = await platform().files.lock(path, 'shared');
    await lock.release();
    return false;
  } catch (error) {
    if (error instanceof GodwitError && error.code === 'locked') return true;
    // A file without its name is nobody's: whoever writes it goes on until it has ended it, but nobody can know.
    if (error instanceof GodwitError && error.code === 'not-found') return false;
    throw error;
  }
}
