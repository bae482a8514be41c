import { MessageWriter } from '../../common/9p/message.ts';
import type { NodeInfo } from '../../platform/shared-folder.ts';
import { entryKind, writeQid } from './attributes.ts';

/** Names that a folder had when its listing began; what is read of it later goes on from there. */
export interface Listing {
  readonly names: readonly string[];
}

/** How many bytes an entry takes beside its name. */
const ENTRY_BYTES = 13 + 8 + 1 + 2;

/** Names from number `first` on whose entries have room. */
export function namesThatFit({ names }: Listing, first: number, roomBytes: number): readonly string[] {
  let end = first;
  for (let left = roomBytes; end < names.length; end++) {
    left -= ENTRY_BYTES + names[end]!.length;
    if (left < 0) break;
  }
  return names.slice(first, end);
}

/** Entries of names, the first of which has the number `first` in its listing. Those that are gone are left out. */
export function writeEntries(
  names: readonly string[],
  first: number,
  look: (index: number) => NodeInfo | undefined,
): MessageWriter {
  const into = new MessageWriter(names.length * 64 + 64);
  const count = into.length;
  into.u32(0);
  for (const [index, name] of names.entries()) {
    const info = look(index);
    if (!info) continue;
    writeQid(into, info);
    into
      .u64(BigInt(first + index + 1))
      .u8(entryKind(info.kind))
      .text(name);
  }
  return into.setU32(count, into.length - count - 4);
}

/**
 * Listings of folders that are being read: a few, since a folder may have any number of names. One that was given up is
 * made anew.
 */
export class Listings {
  private readonly byFid = new Map<number, Listing>();
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  /** `begin`: the folder is read from its beginning, as it is now. */
  async get(fid: number, begin: boolean, make: () => Promise<Listing>): Promise<Listing> {
    const known = begin ? undefined : this.byFid.get(fid);
    this.byFid.delete(fid);
    const listing = known ?? (await make());
    this.byFid.set(fid, listing);
    if (this.byFid.size > this.most) {
      const [oldest] = this.byFid.keys();
      this.byFid.delete(oldest!);
    }
    return listing;
  }

  forget(fid: number): void {
    this.byFid.delete(fid);
  }

  clear(): void {
    this.byFid.clear();
  }
}
