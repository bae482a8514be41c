import { GodwitError } from '../common/errors.ts';
import { invariant } from '../common/invariant.ts';
import { FRAME_BYTES } from './layout.ts';
import type { MemoryLock } from './lock.ts';

const PAGE_BYTES = 65536;
/** What a 32-bit address can reach, less one page so that no end wraps to 0. */
export const MEMORY_LIMIT_BYTES = 4 * 1024 ** 3 - PAGE_BYTES;

/** Words of the control block, which all threads of a memory see. */
const NEXT_BLOCK = 16;
const FIRST_FREE_FRAME = 17;
const FREE_FRAMES = 18;
const FRAMES_IN_USE = 19;
const REFERENCES = 20;
const VERSIONS = 21;
const ZEROS = 22;

/** A memory that another thread made. Its lock must be that of all threads that use it. */
export interface JoinedMemory {
  readonly memory: WebAssembly.Memory;
  readonly lock: MemoryLock;
}

/** Of a new memory. */
export interface ArenaOptions {
  readonly bytes: number;
  /** Share the memory between threads. */
  readonly shared: boolean;
}

/**
 * One WebAssembly.Memory and what is given out of it. Blocks are never given back; frames are. Untouched parts cost no
 * host memory, so the whole size is reserved at once and the views stay valid.
 *
 * Several threads may have an arena each over the same memory. What they share lies in it, and is guarded by a lock
 * that all of them must have from then on (`shareBy`); what is decoded is each thread's own, and so is its frame table.
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly pages: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Uint32Array;
  readonly longs: BigInt64Array;
  /** Address of this thread's frame table: a u32 for each frame-sized piece of the memory. */
  readonly frameTable: number;
  /** Address of the frames' versions: a u32 for each frame-sized piece of the memory, alike for all threads. */
  readonly versions: number;
  /** The frame of zeros that stands behind every page that was read and never written. Not counted, never written. */
  readonly zeroFrame: number;
  /** Word index of the reference counts: one u32 for each frame-sized piece of the memory. */
  private readonly references: number;
  private readonly freeBlocks = new Map<number, number[]>();
  private lock: MemoryLock | undefined;

  /**
   * A new memory, or one that another thread made. Throws GodwitError('limit') when the host does not give that much.
   */
  constructor(from: ArenaOptions | JoinedMemory) {
    this.memory = 'memory' in from ? from.memory : reserve(from);
    const { buffer } = this.memory;
    this.pages = buffer.byteLength / PAGE_BYTES;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.words = new Uint32Array(buffer);
    this.longs = new BigInt64Array(buffer);
    if ('lock' in from) this.lock = from.lock;
    else this.layOut();
    this.references = this.words[REFERENCES]! >>> 2;
    this.versions = this.words[VERSIONS]!;
    this.zeroFrame = this.words[ZEROS]!;
    this.frameTable = this.allocate(this.tableBytes, FRAME_BYTES);
  }

  private get tableBytes(): number {
    return (this.bytes.length / FRAME_BYTES) * 4;
  }

  private layOut(): void {
    const { words } = this;
    words[NEXT_BLOCK] = FRAME_BYTES;
    words[REFERENCES] = this.allocate(this.tableBytes, FRAME_BYTES);
    words[VERSIONS] = this.allocate(this.tableBytes, FRAME_BYTES);
    words[ZEROS] = this.allocate(FRAME_BYTES, FRAME_BYTES);
  }

  /** Other threads use the memory from now on. */
  shareBy(lock: MemoryLock): void {
    this.lock = lock;
  }

  /** To be called before what threads share is changed; once more does no harm. `exit` follows, whatever happens. */
  enter(): void {
    this.lock?.acquire();
  }

  exit(): void {
    this.lock?.release();
  }

  /** A zeroed block. Throws GodwitError('limit') when the memory is used up. */
  allocate(bytes: number, alignment: number): number {
    this.enter();
    try {
      return this.allocateNext(bytes, alignment);
    } finally {
      this.exit();
    }
  }

  private allocateNext(bytes: number, alignment: number): number {
    const start = Math.ceil(this.words[NEXT_BLOCK]! / alignment) * alignment;
    if (start + bytes > this.bytes.length) throw new GodwitError('limit', "the machine's memory is used up");
    this.words[NEXT_BLOCK] = start + bytes;
    return start;
  }

  /** A zeroed block of whole frames that can be given back with `releaseBlock`, in the same thread. */
  takeBlock(bytes: number): number {
    invariant(bytes % FRAME_BYTES === 0, `a block consists of whole frames: ${bytes} bytes`);
    const free = this.freeBlocks.get(bytes)?.pop();
    if (free === undefined) return this.allocate(bytes, FRAME_BYTES);
    this.bytes.fill(0, free, free + bytes);
    return free;
  }

  releaseBlock(address: number, bytes: number): void {
    const free = this.freeBlocks.get(bytes) ?? [];
    invariant(!free.includes(address), `a block is given back once: the one at ${address}`);
    free.push(address);
    this.freeBlocks.set(bytes, free);
  }

  /** A zeroed frame with one reference. Throws GodwitError('limit') when the memory is used up. */
  allocateFrame(): number {
    this.enter();
    try {
      // One that was never given out has never been written.
      const used = this.words[FIRST_FREE_FRAME] !== 0;
      const frame = this.rawFrame();
      if (used) this.bytes.fill(0, frame, frame + FRAME_BYTES);
      return frame;
    } finally {
      this.exit();
    }
  }

  /** A frame with the content of another, and one reference. */
  copyFrame(from: number): number {
    const frame = this.rawFrame();
    this.bytes.copyWithin(frame, from, from + FRAME_BYTES);
    return frame;
  }

  private rawFrame(): number {
    this.enter();
    try {
      const frame = this.takeFree() || this.allocateNext(FRAME_BYTES, FRAME_BYTES);
      this.words[FRAMES_IN_USE]!++;
      this.words[this.references + (frame >>> 12)] = 1;
      return frame;
    } finally {
      this.exit();
    }
  }

  /** Free frames are a list, each with the address of the next in its first word. 0: none is free. */
  private takeFree(): number {
    const { words } = this;
    const frame = words[FIRST_FREE_FRAME]!;
    if (frame === 0) return 0;
    words[FIRST_FREE_FRAME] = words[frame >>> 2]!;
    words[FREE_FRAMES]!--;
    return frame;
  }

  referencesTo(frame: number): number {
    return this.words[this.references + (frame >>> 12)]!;
  }

  /** Between `enter` and `exit`, as `dropReference`. */
  addReference(frame: number): void {
    if (frame !== this.zeroFrame) this.words[this.references + (frame >>> 12)]!++;
  }

  /** True when this was the last one; then the frame is free, and what was decoded from it must have been given up. */
  dropReference(frame: number): boolean {
    if (frame === this.zeroFrame) return false;
    const { words } = this;
    const index = this.references + (frame >>> 12);
    const left = words[index]! - 1;
    words[index] = left;
    if (left > 0) return false;
    this.revoke(frame);
    words[frame >>> 2] = words[FIRST_FREE_FRAME]!;
    words[FIRST_FREE_FRAME] = frame;
    words[FREE_FRAMES]!++;
    words[FRAMES_IN_USE]!--;
    return true;
  }

  /** Another one each time that what threads have decoded from a frame is revoked. */
  versionOf(frame: number): number {
    return this.words[(this.versions >>> 2) + (frame >>> 12)]!;
  }

  /** What any thread has decoded from the frame may be right no more. Between `enter` and `exit`. */
  revoke(frame: number): void {
    this.words[(this.versions >>> 2) + (frame >>> 12)]!++;
  }

  /** What frames can still be given out of. */
  get roomBytes(): number {
    return this.bytes.length - this.words[NEXT_BLOCK]! + this.words[FREE_FRAMES]! * FRAME_BYTES;
  }

  get frameCount(): number {
    return this.words[FRAMES_IN_USE]!;
  }
}

function reserve({ bytes, shared }: ArenaOptions): WebAssembly.Memory {
  if (bytes > MEMORY_LIMIT_BYTES) {
    throw new GodwitError(
      'limit',
      `${Math.ceil(bytes / 1024 ** 2)} MiB do not fit the 4 GiB that WebAssembly addresses`,
      {
        hint: 'give the machine less memory (3 GiB is the most)',
      },
    );
  }
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (cause) {
    throw new GodwitError('limit', `the host gives no ${Math.ceil(bytes / 1024 ** 2)} MiB of memory`, {
      hint: 'give the machine less memory',
      cause,
    });
  }
}
