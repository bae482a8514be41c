import { FIFO_BYTES, LSR_BREAK, LSR_FRAMING, LSR_PARITY } from './registers.ts';

/** What a character can carry beside its eight bits. */
export const CHARACTER_ERRORS = LSR_BREAK | LSR_FRAMING | LSR_PARITY;

/** The receiver's 16 characters, each with the error bits that LSR shows when the character reaches the top (8.4). */
export class ReceiverFifo {
  private readonly data = new Uint8Array(FIFO_BYTES);
  private readonly errors = new Uint8Array(FIFO_BYTES);
  private head = 0;
  private count = 0;
  private errorCount = 0;

  get length(): number {
    return this.count;
  }

  /** How many of the characters carry errors that have not been taken. */
  get withErrors(): number {
    return this.errorCount;
  }

  /** The caller has seen to it that there is space. */
  push(byte: number, errors: number): void {
    const tail = (this.head + this.count) % FIFO_BYTES;
    this.data[tail] = byte;
    this.errors[tail] = errors;
    this.count++;
    if (errors !== 0) this.errorCount++;
  }

  /** The oldest character's byte; 0 when there is none. */
  shift(): number {
    if (this.count === 0) return 0;
    this.takeErrors();
    const byte = this.data[this.head]!;
    this.head = (this.head + 1) % FIFO_BYTES;
    this.count--;
    return byte;
  }

  /** The error bits of the oldest character; they are given once. */
  takeErrors(): number {
    if (this.count === 0) return 0;
    const errors = this.errors[this.head]!;
    if (errors === 0) return 0;
    this.errors[this.head] = 0;
    this.errorCount--;
    return errors;
  }

  clear(): void {
    this.head = 0;
    this.count = 0;
    this.errorCount = 0;
  }

  /** Two bytes per character, oldest first: data, errors. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.count * 2);
    for (let index = 0; index < this.count; index++) {
      const at = (this.head + index) % FIFO_BYTES;
      bytes[2 * index] = this.data[at]!;
      bytes[2 * index + 1] = this.errors[at]!;
    }
    return bytes;
  }

  /** Takes what `toBytes` gave. */
  fromBytes(bytes: Uint8Array): void {
    this.clear();
    for (let index = 0; index + 1 < bytes.length; index += 2) this.push(bytes[index]!, bytes[index + 1]!);
  }
}
