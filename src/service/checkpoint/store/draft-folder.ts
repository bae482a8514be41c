/** Folders of checkpoints in the making. Nobody takes them for checkpoints. */
import { isCheckpointId } from '../../../checkpoint/meta.ts';
import { join } from '../../../common/paths.ts';
import type { OwnedFolder } from '../../../platform/files.ts';
import { platform } from '../../../platform/platform.ts';

/** With the id behind. */
const PREFIX = '.draft-';

/** The checkpoints that a draft rests on, which must not go away meanwhile. */
export interface DraftBases {
  readonly parent: string | null;
  readonly base: string | null;
}

/** Who makes a draft. */
export interface DraftOwner extends DraftBases {
  /** For messages, as the beginning of a sentence. */
  readonly name: string;
}

/** Only while the store is locked: nobody must see a draft without its owner. */
export function makeDraftFolder(store: string, id: string, { parent, base }: DraftBases): Promise<OwnedFolder> {
  return platform().files.makeOwnedFolder(join(store, `${PREFIX}${id}`), { parent, base });
}

/** Removes drafts whose makers are gone, and gives the owners of the others. Only while the store is locked. */
export async function sweepDrafts(store: string): Promise<DraftOwner[]> {
  const { files } = platform();
  const owners: DraftOwner[] = [];
  for (const { name } of await files.list(store)) {
    if (!name.startsWith(PREFIX) || !isCheckpointId(name.slice(PREFIX.length))) continue;
    const folder = join(store, name);
    const owner = await files.ownerOf(folder);
    if (owner) owners.push({ name: owner.name, parent: owner.note.parent ?? null, base: owner.note.base ?? null });
    else await files.removeTree(folder);
  }
  return owners;
}
