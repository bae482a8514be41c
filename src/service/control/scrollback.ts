/** Of a console's output, what somebody who comes later is shown. */
const KEPT_BYTES = 64 * 1024;
const FIRST_BYTES = 1024;
const NEWLINE = 0x0a;

/** The last of what a console showed. It takes up room as it is needed. */
export class Scrollback {
  private buffer = new Uint8Array(FIRST_BYTES);
  private length = 0;
  /** Something came before what is kept. */
  private isCut = false;

  push(bytes: Uint8Array): void {
    const kept = bytes.length > KEPT_BYTES ? bytes.subarray(bytes.length - KEPT_BYTES) : bytes;
    this.makeRoom(kept.length);
    if (kept.length < bytes.length) this.isCut = true;
    this.buffer.set(kept, this.length);
    this.length += kept.length;
  }

  /** It may hold twice as much as is shown, so that little is moved. */
  private makeRoom(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const keep = Math.min(this.length, KEPT_BYTES - bytes);
    const size = Math.min(2 * KEPT_BYTES, 2 * Math.max(this.buffer.length, keep + bytes));
    const start = this.length - keep;
    const next = size > this.buffer.length ? new Uint8Array(size) : this.buffer;
    next.set(this.buffer.subarray(start, this.length));
    if (start > 0) this.isCut = true;
    this.buffer = next;
    this.length = keep;
  }

  /** A copy. Where it does not begin with the first byte that there was, it begins with a line. */
  content(): Uint8Array {
    const start = Math.max(0, this.length - KEPT_BYTES);
    const kept = this.buffer.subarray(start, this.length);
    const line = this.isCut || start > 0 ? kept.indexOf(NEWLINE) + 1 : 0;
    return kept.slice(line);
  }
}
