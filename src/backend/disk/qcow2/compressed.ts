import { Inflate, inflateSync } from 'fflate';
import type { ImageFile } from './image-file.ts';
import type { L2Entry } from './l2-entry.ts';
import { zstdFrameBytes } from './zstd-frame.ts';

const CACHE_BYTES = 4 * 1024 * 1024;

/** What a hostile piece of this size can be blown up to takes a fraction of a second. */
const DEFLATE_PIECE_BYTES = 64 * 1024;

type Decompress = (compressed: Uint8Array, sizeBytes: number) => Uint8Array | undefined;

/** Reads compressed clusters, and keeps the last few: guests read in smaller pieces than a cluster. */
export class CompressedClusters {
  private readonly file: ImageFile;
  private readonly clusterBytes: number;
  private readonly decompress: Decompress;
  private readonly maxClusters: number;
  /** By the entry's place, in order of use. */
  private readonly clusters = new Map<number, Promise<Uint8Array>>();

  static async open(
    file: ImageFile,
    clusterBytes: number,
    compression: 'deflate' | 'zstd',
  ): Promise<CompressedClusters> {
    const decompress = compression === 'zstd' ? await loadZstd() : decompressDeflate;
    return new CompressedClusters(file, clusterBytes, decompress);
  }

  private constructor(file: ImageFile, clusterBytes: number, decompress: Decompress) {
    this.file = file;
    this.clusterBytes = clusterBytes;
    this.decompress = decompress;
    this.maxClusters = Math.max(2, Math.floor(CACHE_BYTES / clusterBytes));
  }

  async read(entry: L2Entry, startInCluster: number, into: Uint8Array): Promise<void> {
    const bytes = await this.cluster(entry);
    into.set(bytes.subarray(startInCluster, startInCluster + into.length));
  }

  /** What was kept may not be there any more. */
  forgetAll(): void {
    this.clusters.clear();
  }

  private cluster(entry: L2Entry): Promise<Uint8Array> {
    const key = entry.hostOffset;
    const kept = this.clusters.get(key);
    if (kept !== undefined) return kept;
    const loading = this.load(entry);
    loading.catch(() => this.clusters.delete(key));
    this.clusters.set(key, loading);
    const oldest = this.clusters.keys().next();
    if (this.clusters.size > this.maxClusters && !oldest.done) this.clusters.delete(oldest.value);
    return loading;
  }

  private async load(entry: L2Entry): Promise<Uint8Array> {
    const compressed = new Uint8Array(entry.compressedBytes);
    await this.file.read(entry.hostOffset, compressed);
    const bytes = this.decompress(compressed, this.clusterBytes);
    if (bytes?.length === this.clusterBytes) return bytes;
    throw this.file.damaged(`the compressed cluster at ${entry.hostOffset} cannot be decompressed`);
  }
}

/** Raw deflate (RFC 1951). What follows the last block is of other clusters. */
function decompressDeflate(compressed: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  try {
    if (compressed.length <= DEFLATE_PIECE_BYTES) return inflateSync(compressed, { out: new Uint8Array(sizeBytes) });
    return decompressInPieces(compressed, sizeBytes);
  } catch {
    return undefined;
  }
}

/** The decoder does not stop at the size that is wanted: a large hostile cluster would keep it busy for seconds. */
function decompressInPieces(compressed: Uint8Array, sizeBytes: number): Uint8Array {
  const out = new Uint8Array(sizeBytes);
  let done = 0;
  const inflate = new Inflate((data) => {
    out.set(data.subarray(0, sizeBytes - done), done);
    done = Math.min(sizeBytes, done + data.length);
  });
  for (let at = 0; at < compressed.length && done < sizeBytes; at += DEFLATE_PIECE_BYTES) {
    inflate.push(compressed.subarray(at, at + DEFLATE_PIECE_BYTES));
  }
  return out.subarray(0, done);
}

/** The decoder is loaded only when an image needs it. */
async function loadZstd(): Promise<Decompress> {
  const { ZSTDDecoder } = await import('zstddec');
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return (compressed, sizeBytes) => {
    const frameBytes = zstdFrameBytes(compressed);
    if (frameBytes === undefined) return undefined;
    try {
      return decoder.decode(compressed.subarray(0, frameBytes), sizeBytes);
    } catch {
      return undefined;
    }
  };
}
