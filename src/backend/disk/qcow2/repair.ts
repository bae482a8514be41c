import type { ClusterMap } from './cluster-map.ts';
import type { Qcow2Header } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { HEADER, INCOMPATIBLE, viewOf } from './layout.ts';
import type { MetadataWriter } from './metadata-writer.ts';
import { countReferences } from './references.ts';

/**
 * Features that any writer who does not know them must clear: what they promise does not hold after our writes. A
 * bitmap of changed blocks, for one, would miss them.
 */
export async function clearAutoclearFeatures(file: ImageFile): Promise<void> {
  await file.write(HEADER.autoclear, new Uint8Array(8));
  await file.sync();
}

/**
 * An image with lazy refcounts that was not closed has right tables but counts that may be stale. They are rebuilt from
 * the tables, and the dirty bit goes last.
 */
export async function repairRefcounts(
  file: ImageFile,
  header: Qcow2Header,
  map: ClusterMap,
  metadata: MetadataWriter,
): Promise<void> {
  const references = await countReferences(file, header, map);
  await metadata.refcounts.rebuild(references.length, (cluster) => references[cluster]!);
  await metadata.commit(async () => {});
  const low = new Uint8Array(4);
  viewOf(low).setUint32(0, header.incompatibleLow & ~(1 << INCOMPATIBLE.dirty));
  await file.write(HEADER.incompatible + 4, low);
  await file.sync();
}
