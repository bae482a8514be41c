import type { Qcow2Header } from './header.ts';
import type { ImageFile } from './image-file.ts';
import { MAX_L1_BYTES, MAX_SNAPSHOT_TABLE_BYTES, readU64, roundUp, viewOf } from './layout.ts';

export interface SnapshotTables {
  l1Offset: number;
  l1Entries: number;
}

export interface SnapshotList {
  snapshots: SnapshotTables[];
  /** Of the snapshot table itself. */
  lengthBytes: number;
}

/**
 * Entry of the snapshot table, padded to 8 bytes:
 *
 *      0  u64  L1 table offset       16  u32  date, seconds       32  u32  size of the machine state
 *      8  u32  L1 entries            20  u32  date, nanoseconds   36  u32  extra data length
 *     12  u16  id length             24  u64  machine clock       40  extra data, id, name
 *     14  u16  name length
 */
const FIXED_BYTES = 40;

export async function readSnapshots(file: ImageFile, header: Qcow2Header): Promise<SnapshotList> {
  const snapshots: SnapshotTables[] = [];
  const fixed = new Uint8Array(FIXED_BYTES);
  const view = viewOf(fixed);
  let at = 0;
  for (let count = 0; count < header.snapshotCount; count++) {
    await file.read(header.snapshotsOffset + at, fixed);
    const snapshot = { l1Offset: readU64(view, 0), l1Entries: view.getUint32(8) };
    checkSnapshot(file, header, snapshot);
    snapshots.push(snapshot);
    const textBytes = view.getUint16(12) + view.getUint16(14);
    at += roundUp(FIXED_BYTES + view.getUint32(36) + textBytes, 8);
    if (at > MAX_SNAPSHOT_TABLE_BYTES) throw file.damaged('its snapshot table is too long');
  }
  return { snapshots, lengthBytes: at };
}

function checkSnapshot(file: ImageFile, header: Qcow2Header, { l1Offset, l1Entries }: SnapshotTables): void {
  const lengthBytes = l1Entries * 8;
  if (lengthBytes > MAX_L1_BYTES) throw file.damaged('a snapshot has an L1 table that is too long');
  if (l1Offset % header.clusterBytes !== 0 || (l1Offset === 0 && l1Entries > 0)) {
    throw file.damaged("a snapshot's L1 table is not where it can be");
  }
  if (l1Offset + lengthBytes > roundUp(file.endBytes, header.clusterBytes)) {
    throw file.damaged("a snapshot's L1 table lies past the end of the file");
  }
}
