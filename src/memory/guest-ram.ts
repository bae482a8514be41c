import type { FrameSpan, GuestMemory } from '../device/device.ts';
import type { Arena } from './arena.ts';
import { FRAME_BYTES, FRAME_PRESENT, FRAME_WRITABLE, MAP_ENTRIES, RAM_BASE } from './layout.ts';

/** Called before the host changes a frame that holds decoded code. */
export type CodeWritten = (frame: number) => void;

/** The guest's RAM: the guest-physical map (layout.ts) over frames of an arena, and access to it by address. */
export class GuestRam implements GuestMemory {
  readonly sizeBytes: number;
  readonly pageCount: number;
  readonly mapRoot: number;
  readonly bytes: Uint8Array;
  private readonly arena: Arena;
  private readonly codeWritten: CodeWritten;

  constructor(arena: Arena, sizeBytes: number, codeWritten: CodeWritten) {
    this.arena = arena;
    this.bytes = arena.bytes;
    this.sizeBytes = sizeBytes;
    this.pageCount = sizeBytes / FRAME_BYTES;
    this.mapRoot = arena.allocate(MAP_ENTRIES * 4, FRAME_BYTES);
    this.codeWritten = codeWritten;
  }

  /** Word index of the map entry of a page; makes the leaf when there is none. */
  private entryIndex(page: number): number {
    const { words } = this.arena;
    const rootIndex = (this.mapRoot >>> 2) + (page >>> 10);
    let leaf = words[rootIndex]!;
    if (leaf === 0) {
      leaf = this.arena.allocate(MAP_ENTRIES * 4, FRAME_BYTES);
      words[rootIndex] = leaf;
    }
    return (leaf >>> 2) + (page & (MAP_ENTRIES - 1));
  }

  /** The map entry of a page that generated code found absent or not writable; gives it a frame. */
  frameFault(page: number): number {
    const index = this.entryIndex(page);
    const entry = this.arena.words[index]!;
    if (entry & FRAME_PRESENT) return entry;
    const fresh = (this.arena.allocateFrame() | FRAME_PRESENT | FRAME_WRITABLE) >>> 0;
    this.arena.words[index] = fresh;
    return fresh;
  }

  /** The frame of a page, or 0 when it was never touched. */
  frameOf(page: number): number {
    const leaf = this.arena.words[(this.mapRoot >>> 2) + (page >>> 10)]!;
    if (leaf === 0) return 0;
    return (this.arena.words[(leaf >>> 2) + (page & (MAP_ENTRIES - 1))]! & ~(FRAME_BYTES - 1)) >>> 0;
  }

  /** Pages that have a frame, rising. */
  *touchedPages(): Generator<number> {
    for (let page = 0; page < this.pageCount; page++) {
      if ((page & (MAP_ENTRIES - 1)) === 0 && this.arena.words[(this.mapRoot >>> 2) + (page >>> 10)] === 0) {
        page += MAP_ENTRIES - 1;
        continue;
      }
      if (this.frameOf(page) !== 0) yield page;
    }
  }

  /** Offset in RAM of a guest-physical range, or -1 when it is not wholly RAM. */
  private offsetOf(address: bigint, length: number): number {
    if (address < BigInt(RAM_BASE) || address >= BigInt(RAM_BASE + this.sizeBytes)) return -1;
    const offset = Number(address) - RAM_BASE;
    return length >= 0 && length <= this.sizeBytes - offset ? offset : -1;
  }

  private hostFrame(page: number, write: boolean): number {
    const frame = (this.frameFault(page) & ~(FRAME_BYTES - 1)) >>> 0;
    if (write && this.arena.words[(this.arena.frameTable >>> 2) + (frame >>> 12)] !== 0) this.codeWritten(frame);
    return frame;
  }

  spans(address: bigint, length: number, access: 'read' | 'write'): FrameSpan[] | undefined {
    let offset = this.offsetOf(address, length);
    if (offset < 0) return undefined;
    const spans: FrameSpan[] = [];
    const end = offset + length;
    while (offset < end) {
      const inFrame = offset & (FRAME_BYTES - 1);
      const count = Math.min(FRAME_BYTES - inFrame, end - offset);
      spans.push({ offset: this.hostFrame(offset >>> 12, access === 'write') + inFrame, length: count });
      offset += count;
    }
    return spans;
  }

  /** Host address of a scalar that lies in one frame; 0 when it crosses frames, -1 when it is not RAM. */
  private scalar(address: bigint, width: number, write: boolean): number {
    const offset = this.offsetOf(address, width);
    if (offset < 0) return -1;
    const inFrame = offset & (FRAME_BYTES - 1);
    if (inFrame + width > FRAME_BYTES) return 0;
    return this.hostFrame(offset >>> 12, write) + inFrame;
  }

  private read<T>(address: bigint, width: number, get: (view: DataView, at: number) => T): T | undefined {
    const at = this.scalar(address, width, false);
    if (at < 0) return undefined;
    if (at > 0) return get(this.arena.view, at);
    const copy = this.copyOut(address, width)!;
    return get(new DataView(copy.buffer, copy.byteOffset), 0);
  }

  private write(address: bigint, width: number, set: (view: DataView, at: number) => void): boolean {
    const at = this.scalar(address, width, true);
    if (at < 0) return false;
    if (at > 0) {
      set(this.arena.view, at);
      return true;
    }
    const copy = new Uint8Array(width);
    set(new DataView(copy.buffer), 0);
    return this.copyIn(address, copy);
  }

  readU16(address: bigint): number | undefined {
    return this.read(address, 2, (view, at) => view.getUint16(at, true));
  }
  readU32(address: bigint): number | undefined {
    return this.read(address, 4, (view, at) => view.getUint32(at, true));
  }
  readU64(address: bigint): bigint | undefined {
    return this.read(address, 8, (view, at) => view.getBigUint64(at, true));
  }
  writeU16(address: bigint, value: number): boolean {
    return this.write(address, 2, (view, at) => view.setUint16(at, value, true));
  }
  writeU32(address: bigint, value: number): boolean {
    return this.write(address, 4, (view, at) => view.setUint32(at, value, true));
  }
  writeU64(address: bigint, value: bigint): boolean {
    return this.write(address, 8, (view, at) => view.setBigUint64(at, value, true));
  }

  copyOut(address: bigint, length: number): Uint8Array<ArrayBuffer> | undefined {
    const spans = this.spans(address, length, 'read');
    if (!spans) return undefined;
    const out = new Uint8Array(length);
    let done = 0;
    for (const span of spans) {
      out.set(this.bytes.subarray(span.offset, span.offset + span.length), done);
      done += span.length;
    }
    return out;
  }

  copyIn(address: bigint, data: Uint8Array): boolean {
    const spans = this.spans(address, data.length, 'write');
    if (!spans) return false;
    let done = 0;
    for (const span of spans) {
      this.bytes.set(data.subarray(done, done + span.length), span.offset);
      done += span.length;
    }
    return true;
  }
}
