import type { PageSource } from '../../src/memory/page-source.ts';
import type { MemorySnapshot } from '../../src/memory/snapshot.ts';

const FRAME_BYTES = 4096;
/** As many as are stored together in a file. */
const GROUP_PAGES = 8;

/** Pages of a snapshot, copied, as they would come from a file. */
export class CopiedPages implements PageSource {
  readonly hotPages = [];
  private readonly pages = new Map<number, Uint8Array>();

  constructor(memory: MemorySnapshot) {
    for (const page of memory.touchedPages()) {
      const content = new Uint8Array(FRAME_BYTES);
      if (memory.readPage(page, content)) this.pages.set(page, content);
    }
  }

  read(page: number, into: Uint8Array): boolean {
    const content = this.pages.get(page);
    if (content) into.set(content);
    return content !== undefined;
  }

  storedPages(): Iterable<number> {
    return this.pages.keys();
  }

  companions(page: number): number[] {
    const first = page - (page % GROUP_PAGES);
    return Array.from({ length: GROUP_PAGES }, (_, i) => first + i).filter((other) => this.pages.has(other));
  }

  close(): void {}
}
