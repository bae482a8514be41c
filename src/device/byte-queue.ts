/**
 * A bounded first-in first-out queue of bytes in a ring, which is made at the first byte: most of many forks never get
 * one.
 */
export class ByteQueue {
  readonly capacity: number;
  private ring = new Uint8Array(0);
  private head = 0;
  private count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.count;
  }

  get space(): number {
    return this.capacity - this.count;
  }

  /** Takes as many bytes from the front of `bytes` as there is space for, and returns how many. */
  push(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.space);
    if (taken > 0 && this.ring.length === 0) this.ring = new Uint8Array(this.capacity);
    const tail = (this.head + this.count) % this.capacity;
    const untilWrap = Math.min(taken, this.capacity - tail);
    this.ring.set(bytes.subarray(0, untilWrap), tail);
    this.ring.set(bytes.subarray(untilWrap, taken), 0);
    this.count += taken;
    return taken;
  }

  /** The oldest byte, or -1 when the queue is empty. */
  shift(): number {
    if (this.count === 0) return -1;
    const byte = this.ring[this.head]!;
    this.head = (this.head + 1) % this.capacity;
    this.count--;
    return byte;
  }

  /** Moves bytes from the front of the queue into `target`; returns how many. */
  take(target: Uint8Array): number {
    const taken = Math.min(target.length, this.count);
    const untilWrap = Math.min(taken, this.capacity - this.head);
    target.set(this.ring.subarray(this.head, this.head + untilWrap), 0);
    target.set(this.ring.subarray(0, taken - untilWrap), untilWrap);
    this.head = (this.head + taken) % this.capacity;
    this.count -= taken;
    return taken;
  }

  clear(): void {
    this.head = 0;
    this.count = 0;
  }

  /** A copy of the content, oldest first. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.count);
    const untilWrap = Math.min(this.count, this.capacity - this.head);
    bytes.set(this.ring.subarray(this.head, this.head + untilWrap), 0);
    bytes.set(this.ring.subarray(0, this.count - untilWrap), untilWrap);
    return bytes;
  }
}
