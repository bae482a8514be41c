import { toBase64 } from '../../common/base64.ts';
import type { ByteStream } from '../../platform/streams.ts';

const NEWLINE = 0x0a;

/** Cuts what comes over a stream into lines; none of them is longer than `limitBytes`. */
export class StreamLines {
  private pieces: Uint8Array[] = [];
  private bytes = 0;
  private overflowed = false;

  /** `overflow` is called once, and no line after it. */
  constructor(
    stream: ByteStream,
    limitBytes: number,
    handlers: { line: (text: string) => void; overflow: () => void },
  ) {
    stream.onData((chunk) => {
      for (let at = 0; at < chunk.length && !this.overflowed; ) {
        const newline = chunk.indexOf(NEWLINE, at);
        const piece = chunk.subarray(at, newline < 0 ? chunk.length : newline);
        at += piece.length + 1;
        this.bytes += piece.length;
        if (this.bytes > limitBytes) {
          this.overflowed = true;
          this.pieces = [];
          handlers.overflow();
          return;
        }
        this.pieces.push(piece);
        if (newline >= 0) handlers.line(this.take());
      }
    });
  }

  private take(): string {
    const line = new Uint8Array(this.bytes);
    let at = 0;
    for (const piece of this.pieces) {
      line.set(piece, at);
      at += piece.length;
    }
    this.pieces = [];
    this.bytes = 0;
    return new TextDecoder().decode(line);
  }
}

/** Writes messages, each as a line of JSON. Whoever takes none of them for too long is cut off. */
export class LineWriter {
  private readonly stream: ByteStream;
  private readonly limitBytes: number;
  private untakenBytes = 0;

  constructor(stream: ByteStream, limitBytes: number) {
    this.stream = stream;
    this.limitBytes = limitBytes;
  }

  /** Resolves when the host has taken it, or whoever was to read it is gone. */
  async write(message: object): Promise<void> {
    if (this.untakenBytes > this.limitBytes) {
      this.stream.close();
      return;
    }
    const line = new TextEncoder().encode(`${JSON.stringify(message, bytesAsBase64)}\n`);
    this.untakenBytes += line.length;
    try {
      await this.stream.write(line);
      this.untakenBytes -= line.length;
    } catch {
      // Whoever was to read it is gone.
    }
  }
}

/** A Buffer has made another thing of itself before it comes here as a value. */
function bytesAsBase64(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const own = this[name];
  return own instanceof Uint8Array ? toBase64(own) : value;
}
