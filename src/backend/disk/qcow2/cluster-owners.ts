import type { ImageFile } from './image-file.ts';

/**
 * The clusters that hold the image's own tables. Guest data is never written to them, and no allocation gives them out,
 * whatever the tables of a damaged image say.
 */
export class ClusterOwners {
  private readonly file: ImageFile;
  private readonly clusterBytes: number;
  private readonly clusters = new Set<number>();

  constructor(file: ImageFile, clusterBytes: number) {
    this.file = file;
    this.clusterBytes = clusterBytes;
    this.clusters.add(0); // the header
  }

  claim(hostOffset: number, lengthBytes: number, what: string): void {
    const first = hostOffset / this.clusterBytes;
    const end = Math.ceil((hostOffset + lengthBytes) / this.clusterBytes);
    for (let cluster = first; cluster < end; cluster++) {
      if (this.clusters.has(cluster)) throw this.file.damaged(`${what} lies over another table`);
      this.clusters.add(cluster);
    }
  }

  release(hostOffset: number, lengthBytes: number): void {
    const first = hostOffset / this.clusterBytes;
    const end = Math.ceil((hostOffset + lengthBytes) / this.clusterBytes);
    for (let cluster = first; cluster < end; cluster++) this.clusters.delete(cluster);
  }

  isOwned(cluster: number): boolean {
    return this.clusters.has(cluster);
  }

  /** Throws when a range of clusters is not free for guest data. */
  assertUnowned(hostOffset: number, lengthBytes: number): void {
    const first = hostOffset / this.clusterBytes;
    const end = Math.ceil((hostOffset + lengthBytes) / this.clusterBytes);
    for (let cluster = first; cluster < end; cluster++) {
      if (this.clusters.has(cluster)) {
        throw this.file.damaged(`a table and guest data are in the same place, at ${cluster * this.clusterBytes}`);
      }
    }
  }
}
