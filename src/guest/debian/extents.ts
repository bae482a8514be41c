/** Which parts of a disk are worth copying. */

/** Of the image that is written: used parts that lie closer together are copied as one. */
const CLUSTER_BYTES = 64 * 1024;

/** A stretch of a disk: bytes from `start` up to `end`. */
export interface Extent {
  start: number;
  end: number;
}

/** Extents rounded outwards to whole clusters, those that then touch joined. */
export function wholeClusters(extents: readonly Extent[], sizeBytes: number): Extent[] {
  const joined: Extent[] = [];
  for (const { start, end } of extents) {
    const first = start - (start % CLUSTER_BYTES);
    const last = Math.min(sizeBytes, end + ((CLUSTER_BYTES - (end % CLUSTER_BYTES)) % CLUSTER_BYTES));
    const before = joined.at(-1);
    if (before !== undefined && first <= before.end) before.end = Math.max(before.end, last);
    else joined.push({ start: first, end: last });
  }
  return joined;
}

/** The stretches of a chunk that are not zero, in whole clusters. */
export function nonZeroRuns(chunk: Uint8Array): Extent[] {
  const zeros = Buffer.alloc(CLUSTER_BYTES);
  const runs: Extent[] = [];
  for (let start = 0; start < chunk.length; start += CLUSTER_BYTES) {
    const end = Math.min(start + CLUSTER_BYTES, chunk.length);
    if (zeros.compare(chunk, start, end, 0, end - start) === 0) continue;
    const last = runs.at(-1);
    if (last?.end === start) last.end = end;
    else runs.push({ start, end });
  }
  return runs;
}
