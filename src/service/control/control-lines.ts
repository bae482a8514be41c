import type { Socket } from 'node:net';

/** Cuts what comes over a socket into lines; none of them is longer than `limitBytes`. */
export class SocketLines {
  private pieces: Buffer[] = [];
  private bytes = 0;
  private overflowed = false;

  /** `overflow` is called once, and no line after it. */
  constructor(socket: Socket, limitBytes: number, handlers: { line: (text: string) => void; overflow: () => void }) {
    socket.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length && !this.overflowed; ) {
        const newline = chunk.indexOf(0x0a, at);
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
    const text = Buffer.concat(this.pieces).toString('utf8');
    this.pieces = [];
    this.bytes = 0;
    return text;
  }
}
