import type { Codec } from '../platform/codec.ts';
import type { PlainData } from '../state/plain-data.ts';
import { encodePlainData } from '../state/plain-data-codec.ts';
import { ContainerWriter, type SectionOptions } from './container/writer.ts';
import { type CheckpointMeta, metaToPlainData } from './meta.ts';
import { type Chunk, PageEncoder } from './pages/encoder.ts';
import { CHUNK_PAGES, PAGE_BYTES } from './pages/layout.ts';
import type { PageSections } from './pages/stored-pages.ts';
import { CHECKPOINT, HOT_PAGES, MAXIMUM_HOT_PAGES, MEMORY_PAGES, META, STATE } from './sections.ts';

/**
 * That much of what a machine used last, 16 MiB, is stored uncompressed. Inflating was more than half of the time until
 * a restored shell had answered.
 */
const MAXIMUM_URGENT_CHUNKS = 512;

/** What a checkpoint's file has beside pages. */
export interface CheckpointHead {
  readonly meta: CheckpointMeta;
  readonly state: PlainData;
  /** Pages worth reading early, the most urgent first. */
  readonly hotPages?: ArrayLike<number>;
}

/** Makes the bytes of a checkpoint's file from front to back. Every call gives what is to be appended next. */
export class CheckpointWriter {
  private readonly container: ContainerWriter;
  private readonly codec: Codec;
  private urgent: ReadonlySet<number> = new Set();

  constructor(codec: Codec) {
    this.codec = codec;
    this.container = new ContainerWriter(codec);
  }

  *head({ meta, state, hotPages = [] }: CheckpointHead): Generator<Uint8Array> {
    yield* this.encodedHead(meta, encodePlainData(state), hotPages);
  }

  /** `state` is plain data that is encoded already. */
  *encodedHead(meta: CheckpointMeta, state: Uint8Array, hotPages: ArrayLike<number>): Generator<Uint8Array> {
    const { container } = this;
    yield container.start(CHECKPOINT);
    container.begin(META, { required: true });
    yield container.add(encodePlainData(metaToPlainData(meta)));
    container.begin(STATE, { required: true });
    yield container.add(state);
    if (hotPages.length === 0) return;
    this.urgent = fullestChunks(hotPages);
    container.begin(HOT_PAGES);
    yield container.add(packNumbers(hotPages));
  }

  /** A section that is carried along, whatever it holds. */
  *section(type: string, options: SectionOptions, blocks: Iterable<Uint8Array>): Generator<Uint8Array> {
    this.container.begin(type, options);
    for (const block of blocks) yield this.container.add(block);
  }

  /** Pages of memory or of a disk, which come in rising order. */
  pages(pageCount: number, hasBase: boolean, sections: PageSections = MEMORY_PAGES): PageSectionWriter {
    const urgent = sections === MEMORY_PAGES ? this.urgent : undefined;
    return new PageSectionWriter(this.container, new PageEncoder(this.codec, pageCount, hasBase, urgent), sections);
  }

  finish(): Uint8Array {
    return this.container.finish();
  }
}

/** `add` or `addChunk` for all pages, then `end`. */
export class PageSectionWriter {
  private readonly container: ContainerWriter;
  private readonly encoder: PageEncoder;
  private readonly sections: PageSections;

  constructor(container: ContainerWriter, encoder: PageEncoder, sections: PageSections) {
    this.container = container;
    this.encoder = encoder;
    this.sections = sections;
    container.begin(sections.data, { required: true, piecewise: true, instance: sections.instance ?? 0 });
  }

  /** `content` is a page of 4096 bytes; undefined: zeros. */
  *add(page: number, content: Uint8Array | undefined): Generator<Uint8Array> {
    const bytes = this.encoder.add(page, content);
    if (bytes) yield this.container.add(bytes);
  }

  *addChunk(chunk: Chunk): Generator<Uint8Array> {
    const bytes = this.encoder.addChunk(chunk);
    if (bytes) yield this.container.add(bytes);
  }

  *end(): Generator<Uint8Array> {
    const bytes = this.encoder.end();
    if (bytes) yield this.container.add(bytes);
    this.container.begin(this.sections.index, { required: true, instance: this.sections.instance ?? 0 });
    yield this.container.add(this.encoder.index());
  }
}

/** Frames of a memory that goes on being used, and which pages they are. */
export interface PageBatch {
  /** Rising, also from batch to batch. */
  readonly pages: Uint32Array<ArrayBuffer>;
  /** Host offset of each page's frame; 0: zeros. */
  readonly frames: Uint32Array<ArrayBuffer>;
}

/** The pages of one batch. */
export function* addBatch(section: PageSectionWriter, memory: Uint8Array, batch: PageBatch): Generator<Uint8Array> {
  const { pages, frames } = batch;
  for (let i = 0; i < pages.length; i++) {
    const frame = frames[i]!;
    yield* section.add(pages[i]!, frame === 0 ? undefined : memory.subarray(frame, frame + PAGE_BYTES));
  }
}

/** Chunks with the most of these pages, as many as are stored uncompressed. */
function fullestChunks(pages: ArrayLike<number>): Set<number> {
  const counts = new Map<number, number>();
  for (let i = 0; i < pages.length; i++) {
    const chunk = Math.floor(pages[i]! / CHUNK_PAGES);
    counts.set(chunk, (counts.get(chunk) ?? 0) + 1);
  }
  const fullest = [...counts].sort(([, a], [, b]) => b - a).slice(0, MAXIMUM_URGENT_CHUNKS);
  return new Set(fullest.map(([chunk]) => chunk));
}

function packNumbers(numbers: ArrayLike<number>): Uint8Array {
  const count = Math.min(numbers.length, MAXIMUM_HOT_PAGES);
  const view = new DataView(new ArrayBuffer(count * 4));
  for (let i = 0; i < count; i++) view.setUint32(i * 4, numbers[i]!, true);
  return new Uint8Array(view.buffer);
}
