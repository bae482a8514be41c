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

/** A record that is ready to be written, and how long its content was. */
interface Framed {
  readonly bytes: Uint8Array;
  readonly contentBytes: number;
}

/**
 * Takes records without making anybody wait, and appends them in order. Several are deflated at a time, and those that
 * are ready are written together. After a failure nothing more is written.
 */
export class RecordWriter {
  private readonly host: RecordingHost;
  private readonly sink: RecordingSink;
  private readonly onFailure: (error: GodwitError) => void;
  /** Resolves when the last record is ready. */
  private framing: Promise<void> = Promise.resolve();
  private ready: Framed[] = [];
  /** While something is being written. */
  private writing: Promise<void> | undefined;
  private waitingBytes = 0;
  private writtenBytes = 0;
  private broken = false;

  constructor(host: RecordingHost, sink: RecordingSink, onFailure: (error: GodwitError) => void) {
    this.host = host;
    this.sink = sink;
    this.onFailure = onFailure;
    const header = fileHeader(host.crc32);
    this.enqueue(header.length, async () => header);
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
    this.enqueue(content.length, async () => {
      const { stored, inflatedBytes } = await packed;
      return frameRecord(type, stored, inflatedBytes, this.host.crc32);
    });
  }

  private enqueue(contentBytes: number, make: () => Promise<Uint8Array>): void {
    this.waitingBytes += contentBytes;
    this.framing = this.framing.then(make).then((bytes) => {
      this.ready.push({ bytes, contentBytes });
      this.writing ??= this.writeReady();
    });
  }

  private async writeReady(): Promise<void> {
    // Others may become ready in this turn.
    await Promise.resolve();
    for (let framed = this.ready.splice(0); framed.length > 0; framed = this.ready.splice(0)) {
      const bytes = joined(framed);
      try {
        if (!this.broken) await this.sink.append(bytes);
        if (!this.broken) this.writtenBytes += bytes.length;
      } catch (error) {
        this.fail(error);
      }
      for (const { contentBytes } of framed) this.waitingBytes -= contentBytes;
    }
    this.writing = undefined;
  }

  private fail(error: unknown): void {
    if (this.broken) return;
    this.broken = true;
    const known = error instanceof GodwitError;
    this.onFailure(
      known ? error : new GodwitError('internal', `The recording failed: ${String(error)}`, { cause: error }),
    );
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
    await this.framing;
    await this.writing;
  }

  /** What was written so far stays; nothing more is. */
  async abandon(): Promise<void> {
    this.broken = true;
    await this.drain();
    await this.sink.abandon();
  }

  async finish(): Promise<void> {
    await this.drain();
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

function joined(framed: readonly Framed[]): Uint8Array {
  if (framed.length === 1) return framed[0]!.bytes;
  const all = new Uint8Array(framed.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let at = 0;
  for (const { bytes } of framed) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}
