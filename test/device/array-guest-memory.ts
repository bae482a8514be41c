import type { FrameSpan, GuestMemory } from '../../src/device/device.ts';

const FRAME_BYTES = 4096;
export const RAM_BASE = 0x8000_0000n;

/**
 * Guest memory for tests: a plain array of frames in shuffled places. A frame is shared until the first access for
 * writing, which moves it (copy-on-write) and spoils the old place, so that a device that keeps spans for too long is
 * caught.
 */
export class ArrayGuestMemory implements GuestMemory {
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
  readonly #frameOffsets: number[];
  readonly #private: boolean[];
  readonly #free: number[] = [];

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    const count = sizeBytes / FRAME_BYTES;
    this.bytes = new Uint8Array(2 * sizeBytes);
    // Neighbours in guest memory are never neighbours in the host's.
    this.#frameOffsets = Array.from({ length: count }, (_, frame) => 2 * (count - 1 - frame) * FRAME_BYTES);
    this.#private = new Array<boolean>(count).fill(false);
    for (let frame = 0; frame < count; frame++) this.#free.push((2 * frame + 1) * FRAME_BYTES);
  }

  spans(address: bigint, length: number, access: 'read' | 'write'): FrameSpan[] | undefined {
    if (!this.#holds(address, length)) return undefined;
    const spans: FrameSpan[] = [];
    let offset = Number(address - RAM_BASE);
    let left = length;
    while (left > 0) {
      const inFrame = offset % FRAME_BYTES;
      const taken = Math.min(left, FRAME_BYTES - inFrame);
      spans.push({ offset: this.#frame(Math.floor(offset / FRAME_BYTES), access) + inFrame, length: taken });
      offset += taken;
      left -= taken;
    }
    return spans;
  }

  /** Moves every frame, as copying, migrating or forking a machine may do between two device accesses. */
  share(): void {
    this.#private.fill(false);
  }

  readU16(address: bigint): number | undefined {
    const at = this.#scalar(address, 2, 'read');
    return at === undefined ? undefined : at.getUint16(0, true);
  }

  readU32(address: bigint): number | undefined {
    const at = this.#scalar(address, 4, 'read');
    return at === undefined ? undefined : at.getUint32(0, true);
  }

  readU64(address: bigint): bigint | undefined {
    const at = this.#scalar(address, 8, 'read');
    return at === undefined ? undefined : at.getBigUint64(0, true);
  }

  writeU16(address: bigint, value: number): boolean {
    const at = this.#scalar(address, 2, 'write');
    at?.setUint16(0, value, true);
    return at !== undefined && this.#putBack(address, at);
  }

  writeU32(address: bigint, value: number): boolean {
    const at = this.#scalar(address, 4, 'write');
    at?.setUint32(0, value, true);
    return at !== undefined && this.#putBack(address, at);
  }

  writeU64(address: bigint, value: bigint): boolean {
    const at = this.#scalar(address, 8, 'write');
    at?.setBigUint64(0, value, true);
    return at !== undefined && this.#putBack(address, at);
  }

  copyOut(address: bigint, length: number): Uint8Array | undefined {
    const spans = this.spans(address, length, 'read');
    if (spans === undefined) return undefined;
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const span of spans) {
      bytes.set(this.bytes.subarray(span.offset, span.offset + span.length), done);
      done += span.length;
    }
    return bytes;
  }

  copyIn(address: bigint, data: Uint8Array): boolean {
    const spans = this.spans(address, data.length, 'write');
    if (spans === undefined) return false;
    let done = 0;
    for (const span of spans) {
      this.bytes.set(data.subarray(done, done + span.length), span.offset);
      done += span.length;
    }
    return true;
  }

  /** All of RAM, for comparing two memories. */
  image(): Uint8Array {
    return this.copyOut(RAM_BASE, this.sizeBytes)!;
  }

  #holds(address: bigint, length: number): boolean {
    if (!Number.isInteger(length) || length < 0) throw new Error(`a length of ${length}`);
    return address >= RAM_BASE && address + BigInt(length) <= RAM_BASE + BigInt(this.sizeBytes);
  }

  /** A view of a scalar: of the frame itself, or of a copy where the scalar crosses frames. */
  #scalar(address: bigint, width: number, access: 'read' | 'write'): DataView | undefined {
    if (!this.#holds(address, width)) return undefined;
    const offset = Number(address - RAM_BASE);
    const inFrame = offset % FRAME_BYTES;
    if (inFrame + width > FRAME_BYTES) return new DataView(this.copyOut(address, width)!.buffer);
    return new DataView(this.bytes.buffer, this.#frame(Math.floor(offset / FRAME_BYTES), access) + inFrame, width);
  }

  #putBack(address: bigint, scalar: DataView): boolean {
    if (scalar.buffer === this.bytes.buffer) return true;
    return this.copyIn(address, new Uint8Array(scalar.buffer, scalar.byteOffset, scalar.byteLength));
  }

  #frame(frame: number, access: 'read' | 'write'): number {
    if (access === 'write' && !this.#private[frame]) {
      const before = this.#frameOffsets[frame]!;
      const after = this.#free.shift()!;
      this.bytes.copyWithin(after, before, before + FRAME_BYTES);
      this.bytes.fill(0xee, before, before + FRAME_BYTES);
      this.#free.push(before);
      this.#frameOffsets[frame] = after;
      this.#private[frame] = true;
    }
    return this.#frameOffsets[frame]!;
  }
}
