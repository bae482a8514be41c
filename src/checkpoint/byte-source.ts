import { GodwitError } from '../common/errors.ts';

/**
 * Reading at any offset, synchronously: a guest's access to memory waits for what is read here. Its content does not change while
 * it is open. Throws GodwitError('io'), and 'damaged' where bytes that it should have are missing.
 */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Fills `into`. Offset and length lie within `sizeBytes`. */
  read(offset: number, into: Uint8Array): void;
  close(): void;
}

export class MemoryByteSource implements ByteSource {
  readonly name: string;
  private readonly bytes: Uint8Array;

  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.bytes = bytes;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): void {
    if (offset + into.length > this.bytes.length) throw new GodwitError('damaged', `${this.name} is too short.`);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  close(): void {}
}
