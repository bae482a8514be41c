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
  private nextBlock: number;
  private readonly freeFrames: number[] = [];
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
    this.frameTable = this.allocate((buffer.byteLength / FRAME_BYTES) * 4, FRAME_BYTES);
  }

  /** A zeroed block. Throws GodwitError('limit') when the memory is used up. */
  allocate(bytes: number, alignment: number): number {
    const start = Math.ceil(this.nextBlock / alignment) * alignment;
    if (start + bytes > this.bytes.length) throw new GodwitError('limit', "the machine's memory is used up");
    this.nextBlock = start + bytes;
    return start;
  }

  /** A zeroed frame. */
  allocateFrame(): number {
    this.framesInUse++;
    const free = this.freeFrames.pop();
    if (free === undefined) return this.allocate(FRAME_BYTES, FRAME_BYTES);
    this.bytes.fill(0, free, free + FRAME_BYTES);
    return free;
  }

  freeFrame(frame: number): void {
    this.framesInUse--;
    this.freeFrames.push(frame);
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
