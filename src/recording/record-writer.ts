import { GodwitError } from '../common/errors.ts';
import { fileHeader } from './header.ts';
import type { RecordingHost, RecordingSink } from './host.ts';
import { frameRecord } from './record-frame.ts';

/** Shorter content is not worth deflating. */
const LEAST_DEFLATED_BYTES = 128;

interface Packed {
  readonly stored: Uint8Array;
  /** 0: not deflated. */
  readonly inflatedBytes: number;
}

/** Takes records without making anybody wait, and appends them in order. After a failure nothing more is written. */
export class RecordWriter {
  private readonly host: RecordingHost;
  private readonly sink: RecordingSink;
  private readonly onFailure: (error: GodwitError) => void;
  private tail: Promise<void>;
  private waitingBytes = 0;
  private writtenBytes = 0;
  private broken = false;

  constructor(host: RecordingHost, sink: RecordingSink, onFailure: (error: GodwitError) => void) {
    this.host = host;
    this.sink = sink;
    this.onFailure = onFailure;
    const header = fileHeader(host.crc32);
    this.tail = this.enqueue(Promise.resolve(), header.length, async () => header);
  }

  /** Content that was handed over and is not written. */
  get pendingBytes(): number {
    return this.waitingBytes;
  }

  /** How long the file is. */
  get fileBytes(): number {
    return this.writtenBytes;
  }

  get failed(): boolean {
    return this.broken;
  }

  /** The content must not change afterwards. */
  append(type: string, content: Uint8Array): void {
    if (this.broken) return;
    const packed = this.pack(content);
    this.tail = this.enqueue(this.tail, content.length, async () => {
      const { stored, inflatedBytes } = await packed;
      return frameRecord(type, stored, inflatedBytes, this.host.crc32);
    });
  }

  private async enqueue(before: Promise<void>, contentBytes: number, make: () => Promise<Uint8Array>): Promise<void> {
    this.waitingBytes += contentBytes;
    await before;
    try {
      if (this.broken) return;
      const bytes = await make();
      await this.sink.append(bytes);
      this.writtenBytes += bytes.length;
    } catch (error) {
      this.fail(error);
    } finally {
      this.waitingBytes -= contentBytes;
    }
  }

  private fail(error: unknown): void {
    if (this.broken) return;
    this.broken = true;
    const known = error instanceof GodwitError;
    this.onFailure(known ? error : new GodwitError('io', `The recording failed: ${String(error)}`, { cause: error }));
  }

  private async pack(content: Uint8Array): Promise<Packed> {
    if (content.length < LEAST_DEFLATED_BYTES) return { stored: content, inflatedBytes: 0 };
    try {
      const deflated = await this.host.deflate(content);
      return deflated.length < content.length
        ? { stored: deflated, inflatedBytes: content.length }
        : { stored: content, inflatedBytes: 0 };
    } catch {
      // What cannot be deflated is stored as it is.
      return { stored: content, inflatedBytes: 0 };
    }
  }

  /** Resolves when all that was appended so far is written, or lost. */
  async drain(): Promise<void> {
    await this.tail;
  }

  async finish(): Promise<void> {
    await this.tail;
    try {
      if (!this.broken) {
        await this.sink.finish();
        return;
      }
    } catch (error) {
      this.fail(error);
    }
    await this.sink.abandon();
  }
}
