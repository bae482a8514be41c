import { GodwitError } from '../common/errors.ts';
import type { ByteSource } from '../platform/byte-source.ts';

/** Bytes in memory. */
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
