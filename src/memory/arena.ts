import { GodwitError } from '../common/errors.ts';
import { FRAME_BYTES } from './layout.ts';

const PAGE_BYTES = 65536;
/** What a 32-bit address can reach, less one page so that no end wraps to 0. */
export const MEMORY_LIMIT_BYTES = 4 * 1024 ** 3 - PAGE_BYTES;

export interface ArenaOptions {
  readonly bytes: number;
  /** Share the memory between threads. */
  readonly shared: boolean;
}

/**
 * One WebAssembly.Memory and what is given out of it. Blocks are never given back; frames are. Untouched parts cost no host
 * memory, so the whole size is reserved at once and the views stay valid.
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly pages: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Uint32Array;
  readonly longs: BigInt64Array;
  /** Address of the frame table: a u32 for each frame-sized piece of the memory. */
  readonly frameTable: number;
  /** Word index of the reference counts: one u32 for each frame-sized piece of the memory. */
  private readonly references: number;
  private nextBlock: number;
  private readonly freeFrames: number[] = [];
  private readonly freeBlocks = new Map<number, number[]>();
  private zeros: number | undefined;
  private framesInUse = 0;

  constructor({ bytes, shared }: ArenaOptions) {
    if (bytes > MEMORY_LIMIT_BYTES) {
      throw new GodwitError(
        'limit',
        `${Math.ceil(bytes / 1024 ** 2)} MiB do not fit the 4 GiB that WebAssembly addresses`,
        {
          hint: 'give the machine less memory (3 GiB is the most)',
        },
      );
    }
    this.pages = Math.ceil(bytes / PAGE_BYTES);
    this.memory = reserve(this.pages, shared);
    const buffer = this.memory.buffer;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Uint32Array(buffer);
    this.longs = new BigInt64Array(buffer);
    this.nextBlock = FRAME_BYTES;
    const tableBytes = (buffer.byteLength / FRAME_BYTES) * 4;
    this.frameTable = this.allocate(tableBytes, FRAME_BYTES);
    this.references = this.allocate(tableBytes, FRAME_BYTES) >>> 2;
  }

  /** A zeroed block. Throws GodwitError('limit') when the memory is used up. */
  allocate(bytes: number, alignment: number): number {
    const start = Math.ceil(this.nextBlock / alignment) * alignment;
    if (start + bytes > this.bytes.length) throw new GodwitError('limit', "the machine's memory is used up");
    this.nextBlock = start + bytes;
    return start;
  }

  /** A zeroed block of whole frames that can be given back with `releaseBlock`. */
  takeBlock(bytes: number): number {
    const free = this.freeBlocks.get(bytes)?.pop();
    if (free === undefined) return this.allocate(bytes, FRAME_BYTES);
    this.bytes.fill(0, free, free + bytes);
    return free;
  }

  releaseBlock(address: number, bytes: number): void {
    const free = this.freeBlocks.get(bytes) ?? [];
    free.push(address);
    this.freeBlocks.set(bytes, free);
  }

  /** A zeroed frame with one reference. Throws GodwitError('limit') when the memory is used up. */
  allocateFrame(): number {
    const recycled = this.freeFrames.length > 0;
    const frame = this.rawFrame();
    if (recycled) this.bytes.fill(0, frame, frame + FRAME_BYTES);
    return frame;
  }

  /** A frame with the content of another, and one reference. */
  copyFrame(from: number): number {
    const frame = this.rawFrame();
    this.bytes.copyWithin(frame, from, from + FRAME_BYTES);
    return frame;
  }

  private rawFrame(): number {
    const frame = this.freeFrames.pop() ?? this.allocate(FRAME_BYTES, FRAME_BYTES);
    this.framesInUse++;
    this.words[this.references + (frame >>> 12)] = 1;
    return frame;
  }

  /** The frame of zeros that stands behind every page that was read and never written. Not counted, never written. */
  get zeroFrame(): number {
    this.zeros ??= this.allocate(FRAME_BYTES, FRAME_BYTES);
    return this.zeros;
  }

  referencesTo(frame: number): number {
    return this.words[this.references + (frame >>> 12)]!;
  }

  addReference(frame: number): void {
    if (frame !== this.zeros) this.words[this.references + (frame >>> 12)]!++;
  }

  /** True when this was the last one; then the frame is free, and what was decoded from it must have been given up. */
  dropReference(frame: number): boolean {
    if (frame === this.zeros) return false;
    const index = this.references + (frame >>> 12);
    const left = this.words[index]! - 1;
    this.words[index] = left;
    if (left > 0) return false;
    this.framesInUse--;
    this.freeFrames.push(frame);
    return true;
  }

  /** What frames can still be given out of. */
  get roomBytes(): number {
    return this.bytes.length - this.nextBlock + this.freeFrames.length * FRAME_BYTES;
  }

  get frameCount(): number {
    return this.framesInUse;
  }
}

function reserve(pages: number, shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (cause) {
    throw new GodwitError('limit', `the host gives no ${Math.ceil((pages * PAGE_BYTES) / 1024 ** 2)} MiB of memory`, {
      hint: 'give the machine less memory',
      cause,
    });
  }
}
