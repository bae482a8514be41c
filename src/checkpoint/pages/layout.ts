/**
 * Pages of 4 KiB in chunks of eight: the memory of a machine, or the content of a disk. They take two sections.
 *
 * The data section has the stored bytes of the chunks, in the order of the index and without gaps. What is stored of a
 * chunk are its pages that are present, one after the other, either as they are or deflated (RFC 1951).
 *
 * The index section
 *      0  4  number of pages
 *      4  4  pages per chunk: 8
 *      8  4  flags: INDEX_HAS_BASE
 *     12  4  number of entries
 *     16     entries, with rising chunk numbers
 *
 * Entry
 *      0  4  chunk: its first page is 8 times that
 *      4  4  stored bytes
 *      8  4  checksum of the stored bytes
 *     12  1  present: bit n for the chunk's page n
 *     13  1  inherited: bit n: page n is as in the base
 *     14  1  method: METHOD_*
 *     15  1  zero
 *
 * A page that is neither present nor inherited is all zeros. A chunk without an entry is inherited as a whole, or all
 * zeros where there is no base. An entry that says only that is not written.
 */
export const PAGE_BYTES = 4096;
export const CHUNK_PAGES = 8;
export const CHUNK_BYTES = CHUNK_PAGES * PAGE_BYTES;
export const ALL_PAGES = (1 << CHUNK_PAGES) - 1;

export const INDEX_HEADER_BYTES = 16;
export const INDEX_ENTRY_BYTES = 16;
export const INDEX_HEADER = { pages: 0, chunkPages: 4, flags: 8, entries: 12 } as const;
export const INDEX_ENTRY = {
  chunk: 0,
  stored: 4,
  checksum: 8,
  present: 12,
  inherited: 13,
  method: 14,
  zero: 15,
} as const;

export const INDEX_HAS_BASE = 1;

/** Nothing is present. */
export const METHOD_NONE = 0;
export const METHOD_PLAIN = 1;
export const METHOD_DEFLATED = 2;

/** Pages of a chunk that exist: the last chunk may have fewer. */
export function chunkMask(chunk: number, pageCount: number): number {
  return pageCount - chunk * CHUNK_PAGES >= CHUNK_PAGES ? ALL_PAGES : (1 << (pageCount % CHUNK_PAGES)) - 1;
}

export function pagesIn(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Where in the present pages of a chunk its page `bit` lies, in bytes. */
export function presentOffset(present: number, bit: number): number {
  return pagesIn(present & ((1 << bit) - 1)) * PAGE_BYTES;
}
