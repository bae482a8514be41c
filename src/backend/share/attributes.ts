/** Attributes of files as 9P has them. */
import { QID_FILE, QID_FOLDER, QID_LINK } from '../../common/9p/layout.ts';
import type { MessageWriter } from '../../common/9p/message.ts';
import type { NodeInfo, SpaceInfo } from '../../platform/shared-folder.ts';

/** All but the birth, the generation and the version, which few file systems have. */
const VALID_BASIC = 0x7ffn;
const VALID_BIRTH = 0x800n;
/** What belongs to the user that runs the machine belongs to root in the guest, all else to nobody. */
const ROOT = 0;
const NOBODY = 65_534;
const NS_PER_SECOND = 1_000_000_000n;
/** Linux' own number for a file system of this kind. */
const V9FS_MAGIC = 0x0102_1997;
const NAME_LENGTH = 255;
const U64_MAXIMUM = 2n ** 64n - 1n;

const QID_KINDS = { file: QID_FILE, folder: QID_FOLDER, link: QID_LINK, other: QID_FILE } as const;
/** Of readdir(3). */
const ENTRY_KINDS = { file: 8, folder: 4, link: 10, other: 0 } as const;

export function writeQid(into: MessageWriter, { kind, number, modifiedNs, sizeBytes }: NodeInfo): MessageWriter {
  // Changes when the content does, which is all that it is for.
  const version = Number(BigInt.asUintN(32, modifiedNs ^ (sizeBytes << 8n)));
  return into.u8(QID_KINDS[kind]).u32(version).u64(BigInt.asUintN(64, number));
}

export function entryKind(kind: NodeInfo['kind']): number {
  return ENTRY_KINDS[kind];
}

export function writeAttributes(into: MessageWriter, info: NodeInfo): MessageWriter {
  into.u64(VALID_BASIC | VALID_BIRTH);
  writeQid(into, info);
  into.u32(info.mode);
  into.u32(info.isOwn ? ROOT : NOBODY);
  into.u32(info.isOwnGroup ? ROOT : NOBODY);
  into.u64(info.linkCount).u64(0n).u64(info.sizeBytes).u64(info.blockBytes).u64(info.blocks);
  writeTime(into, info.accessedNs);
  writeTime(into, info.modifiedNs);
  writeTime(into, info.changedNs);
  writeTime(into, info.bornNs);
  return into.u64(0n).u64(0n);
}

function writeTime(into: MessageWriter, nanoseconds: bigint): void {
  // Before 1970 the seconds are negative, and the rest is not.
  const rest = ((nanoseconds % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  into.u64(BigInt.asUintN(64, (nanoseconds - rest) / NS_PER_SECOND)).u64(rest);
}

export function writeSpace(into: MessageWriter, space: SpaceInfo): MessageWriter {
  const count = (value: bigint): bigint => (value < 0n ? 0n : value > U64_MAXIMUM ? U64_MAXIMUM : value);
  into.u32(V9FS_MAGIC).u32(Number(space.blockBytes));
  for (const value of [space.blocks, space.freeBlocks, space.availableBlocks, space.files, space.freeFiles]) {
    into.u64(count(value));
  }
  return into.u64(0n).u32(NAME_LENGTH);
}
