const CHUNK_BYTES = 64 * 1024;

/** An array of bytes that keeps only the parts that were written; all else is zero. Offsets are in bytes. */
export class SparseBytes {
  private readonly chunks = new Map<number, Uint8Array>();

  read(offset: number, into: Uint8Array): void {
    forEachPiece(offset, into.length, (index, start, at, length) => {
      const chunk = this.chunks.get(index);
      if (chunk === undefined) into.fill(0, at, at + length);
      else into.set(chunk.subarray(start, start + length), at);
    });
  }

  write(offset: number, data: Uint8Array): void {
    forEachPiece(offset, data.length, (index, start, at, length) => {
      let chunk = this.chunks.get(index);
      if (chunk === undefined) {
        chunk = new Uint8Array(CHUNK_BYTES);
        this.chunks.set(index, chunk);
      }
      chunk.set(data.subarray(at, at + length), start);
    });
  }

  /** Makes a range zero; whole chunks are given up. */
  clear(offset: number, length: number): void {
    const end = offset + length;
    // A range may be far larger than what is kept, so go over what is kept.
    for (const [index, chunk] of this.chunks) {
      const chunkStart = index * CHUNK_BYTES;
      const from = Math.max(offset, chunkStart) - chunkStart;
      const to = Math.min(end, chunkStart + CHUNK_BYTES) - chunkStart;
      if (from >= to) continue;
      if (to - from === CHUNK_BYTES) this.chunks.delete(index);
      else chunk.fill(0, from, to);
    }
  }
}

function forEachPiece(
  offset: number,
  length: number,
  visit: (index: number, start: number, at: number, length: number) => void,
): void {
  for (let at = 0; at < length; ) {
    const index = Math.floor((offset + at) / CHUNK_BYTES);
    const start = offset + at - index * CHUNK_BYTES;
    const pieceLength = Math.min(CHUNK_BYTES - start, length - at);
    visit(index, start, at, pieceLength);
    at += pieceLength;
  }
}
