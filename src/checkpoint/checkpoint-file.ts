import { present } from '../common/invariant.ts';
import type { ByteSource } from '../platform/byte-source.ts';
import type { Codec } from '../platform/codec.ts';
import type { PlainData } from '../state/plain-data.ts';
import { decodePlainData } from '../state/plain-data-codec.ts';
import { Container, damaged, type Section } from './container/reader.ts';
import { type CheckpointMeta, metaFromPlainData } from './meta.ts';
import { PAGE_BYTES } from './pages/layout.ts';
import { StoredPages } from './pages/stored-pages.ts';
import {
  CHECKPOINT,
  diskPages,
  HOT_PAGES,
  MAXIMUM_HOT_PAGES,
  MAXIMUM_META_BYTES,
  MEMORY_PAGES,
  META,
  STATE,
} from './sections.ts';

const COPY_BYTES = 1024 ** 2;

/** One file of a checkpoint, opened for reading. Everything is checked when it is read. All throws are GodwitErrors. */
export class CheckpointFile {
  readonly meta: CheckpointMeta;
  readonly pages: StoredPages;
  private readonly container: Container;
  private readonly codec: Codec;

  private constructor(container: Container, codec: Codec, meta: CheckpointMeta, pages: StoredPages) {
    this.container = container;
    this.codec = codec;
    this.meta = meta;
    this.pages = pages;
  }

  /** Takes the source over, and closes it when it throws. */
  static open(source: ByteSource, codec: Codec): CheckpointFile {
    try {
      const container = Container.open(source, codec, CHECKPOINT);
      const meta = readMeta(container);
      const pages = new StoredPages(container, codec, MEMORY_PAGES);
      checkAgreement(source, meta, pages);
      return new CheckpointFile(container, codec, meta, pages);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  get name(): string {
    return this.container.source.name;
  }

  get sizeBytes(): number {
    return this.container.source.sizeBytes;
  }

  /** Plain data as it lies in the file. */
  stateBytes(): Uint8Array {
    return this.container.read(this.container.get(STATE));
  }

  state(): PlainData {
    return decodePlainData(this.stateBytes(), this.name);
  }

  hotPages(): Uint32Array {
    const section = this.container.find(HOT_PAGES);
    if (!section) return new Uint32Array(0);
    const bytes = this.container.read(section, MAXIMUM_HOT_PAGES * 4);
    if (bytes.length % 4 !== 0) throw damaged(this.container.source, 'its list of hot pages is cut short');
    const view = new DataView(bytes.buffer);
    const pages = Uint32Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true));
    if (pages.some((page) => page >= this.pages.index.pageCount)) {
      throw damaged(this.container.source, 'its list of hot pages names pages that it does not have');
    }
    return pages;
  }

  /** Numbers of the disks whose content is in the file. */
  disks(): number[] {
    return this.meta.disks.flatMap((_, disk) => (this.container.find(diskPages(0).index, disk) ? [disk] : []));
  }

  /** The content of a disk, in a portable file. */
  disk(disk: number): StoredPages {
    const pages = new StoredPages(this.container, this.codec, diskPages(disk));
    const { index } = pages;
    const { sizeBytes } = present(this.meta.disks[disk], `the disk ${disk} is one of ${this.meta.disks.length}`);
    if (index.hasBase || index.pageCount !== Math.ceil(sizeBytes / PAGE_BYTES)) {
      throw damaged(this.container.source, `the content of disk ${disk} does not go with its size`);
    }
    return pages;
  }

  /** Sections that this godwit does not know, which others may. */
  strangeSections(): Section[] {
    return this.container.sections.filter(({ type }) => !CHECKPOINT.known.includes(type));
  }

  /** A section as it is, in blocks; checked where it has one checksum. */
  *sectionBlocks(section: Section): Generator<Uint8Array> {
    const { source } = this.container;
    let checksum = 0;
    for (let at = 0; at < section.lengthBytes; at += COPY_BYTES) {
      const block = new Uint8Array(Math.min(COPY_BYTES, section.lengthBytes - at));
      source.read(section.offset + at, block);
      if (!section.piecewise) checksum = this.codec.crc32(block, checksum);
      yield block;
    }
    if (checksum !== section.checksum) throw damaged(source, `the checksum of its section ${section.type} is wrong`);
  }

  /** Reads and checks all that is in the file. Gives control back every now and then. */
  *verify(): Generator<void> {
    this.state();
    this.hotPages();
    for (const section of this.strangeSections()) for (const _ of this.sectionBlocks(section)) yield;
    yield* this.pages.verify();
    for (const disk of this.disks()) yield* this.disk(disk).verify();
  }

  close(): void {
    this.container.close();
  }
}

/** What a file says of itself, without a look at anything else in it. Closes the source. */
export function readCheckpointMeta(source: ByteSource, codec: Codec): CheckpointMeta {
  try {
    return readMeta(Container.open(source, codec, CHECKPOINT));
  } finally {
    source.close();
  }
}

function readMeta(container: Container): CheckpointMeta {
  const { name } = container.source;
  return metaFromPlainData(name, decodePlainData(container.read(container.get(META), MAXIMUM_META_BYTES), name));
}

function checkAgreement(source: ByteSource, meta: CheckpointMeta, { index }: StoredPages): void {
  if (index.pageCount * PAGE_BYTES !== meta.memoryBytes) {
    throw damaged(source, 'its page index is for another size of memory');
  }
  if (index.hasBase !== (meta.base !== null)) throw damaged(source, 'it does not say which checkpoint it builds on');
  if (meta.base === meta.id) throw damaged(source, 'it builds on itself');
}
