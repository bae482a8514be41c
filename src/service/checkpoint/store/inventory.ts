import { type CheckpointMeta, isCheckpointId } from '../../../checkpoint/meta.ts';
import { GodwitError, isForeseen } from '../../../common/errors.ts';
import { inParallel } from '../../../common/in-parallel.ts';
import { dirname, isAbsolute, join } from '../../../common/paths.ts';
import { platform } from '../../../platform/platform.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { machineFile, readMetaOf } from './stored-chain.ts';

/** Files of a store that are looked at together. */
const READ_AT_ONCE = 8;

/** What the folder of a checkpoint has to say, as far as it can be read. */
export interface StoredCheckpoint {
  readonly id: string;
  readonly folder: string;
  readonly manifest: Manifest | undefined;
  readonly meta: CheckpointMeta | undefined;
  /** Why something cannot be read. */
  readonly failures: readonly GodwitError[];
}

/** A checkpoint in a list. What cannot be read of a damaged one is null or 0. */
export interface CheckpointSummary {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** Its name; null: none. */
  readonly name: string | null;
  /** The checkpoint that the machine had before. */
  readonly parent: string | null;
  /** Milliseconds since 1970, of the host. */
  readonly createdAtMs: number;
  /** Guest RAM. */
  readonly memoryBytes: number;
  /** Where the machine was. */
  readonly point: { readonly hart: number; readonly branches: bigint; readonly pc: bigint };
  /** The checkpoint whose pages it shares; null: it has all of its own. */
  readonly base: string | null;
  /** On the host's disk, images of disks with it. */
  readonly sizeBytes: number;
  /** All that it needs is there. `verify` looks at the content too. */
  readonly complete: boolean;
  /** A machine can go on from it, also where what says its place in the tree is damaged. */
  readonly restorable: boolean;
  /** Why it is not complete. */
  readonly problem: string | undefined;
}

/** What is wanted of each: its place in the tree, for which the manifest is enough where it can be read, or all. */
export type Depth = 'places' | 'all';

/** All checkpoints of a store, removed ones with files that others need included; oldest first. */
export async function readInventory(store: string, depth: Depth = 'all'): Promise<StoredCheckpoint[]> {
  const ids = (await platform().files.list(store)).map(({ name }) => name).filter((name) => isCheckpointId(name));
  const read = await inParallel(ids, READ_AT_ONCE, (id) => readCheckpoint(store, id, depth));
  return read.filter((one) => one !== undefined).sort((a, b) => createdAtMs(a) - createdAtMs(b));
}

/** undefined: it is not there, or not any more. */
export async function readCheckpoint(
  store: string,
  id: string,
  depth: Depth = 'all',
): Promise<StoredCheckpoint | undefined> {
  const folder = join(store, id);
  const failures: GodwitError[] = [];
  const note = (error: unknown): undefined => {
    if (!isForeseen(error)) throw error;
    failures.push(error);
  };
  const manifest = await readManifest(folder).catch(note);
  let meta: CheckpointMeta | undefined;
  if (manifest === undefined || (depth === 'all' && !manifest.removed)) {
    try {
      meta = await readMeta(store, id);
    } catch (error) {
      note(error);
    }
  }
  if (failures.length > 0 && !(await exists(folder))) return undefined;
  return { id, folder, manifest, meta, failures };
}

async function readMeta(store: string, id: string): Promise<CheckpointMeta> {
  const path = machineFile(store, id);
  const meta = await readMetaOf(path);
  if (meta.id !== id) throw new GodwitError('damaged', `${path} is of another checkpoint, ${meta.id}.`);
  return meta;
}

function createdAtMs({ manifest, meta }: StoredCheckpoint): number {
  return manifest?.createdAtMs ?? meta?.createdAtMs ?? 0;
}

export function isRemoved({ manifest }: StoredCheckpoint): boolean {
  return manifest?.removed ?? false;
}

/**
 * Where a checkpoint stands in the tree. The manifest knows it; where that is damaged, what was true when it was made.
 */
export function placeOf({ manifest, meta }: StoredCheckpoint): { name: string | null; parent: string | null } {
  return manifest ?? meta ?? { name: null, parent: null };
}

/** How messages call it: by its name, if it has one. */
export function labelOf(checkpoint: StoredCheckpoint): string {
  return placeOf(checkpoint).name ?? checkpoint.id;
}

export async function summaryOf(
  checkpoint: StoredCheckpoint,
  all: readonly StoredCheckpoint[],
): Promise<CheckpointSummary> {
  const { id, folder, manifest, meta, failures } = checkpoint;
  const lack = await missing(checkpoint, all);
  const problem = failures[0]?.message ?? lack;
  const point = meta?.point ?? pointOf(manifest);
  return {
    id,
    ...pick(placeOf(checkpoint)),
    createdAtMs: createdAtMs(checkpoint),
    memoryBytes: meta?.memoryBytes ?? manifest?.memoryBytes ?? 0,
    point,
    base: meta?.base ?? null,
    sizeBytes: await folderBytes(folder),
    complete: problem === undefined,
    restorable: meta !== undefined && lack === undefined,
    problem,
  };
}

function pointOf(manifest: Manifest | undefined): CheckpointSummary['point'] {
  const { hart = 0, branches = 0, pc = 0 } = manifest ?? {};
  return { hart, branches: BigInt(branches), pc: BigInt(pc) };
}

function pick({ name, parent }: { name: string | null; parent: string | null }) {
  return { name, parent };
}

async function missing(
  { meta, folder }: StoredCheckpoint,
  all: readonly StoredCheckpoint[],
): Promise<string | undefined> {
  if (!meta) return undefined;
  if (meta.base !== null && !all.some(({ id, meta: base }) => id === meta.base && base !== undefined)) {
    const base = all.find(({ id }) => id === meta.base);
    return `The checkpoint ${base ? labelOf(base) : meta.base}, on which it builds, is missing or damaged.`;
  }
  for (const path of diskFiles(dirname(folder), meta)) {
    if (!(await exists(path))) return `The disk image ${path} is missing.`;
  }
  return undefined;
}

/** Absolute paths of all images that the disks of a checkpoint are made of. */
export function diskFiles(store: string, meta: CheckpointMeta): string[] {
  return meta.disks.flatMap(({ path, backing }) => [path, ...backing]).map((path) => absolutePath(store, path));
}

export function absolutePath(store: string, path: string): string {
  return isAbsolute(path) ? path : join(store, path);
}

/** Those of them that lie in the store, "<id>/<file>". */
export function filesNeeded(meta: CheckpointMeta): string[] {
  return [
    ...new Set(meta.disks.flatMap(({ path, backing }) => [path, ...backing]).filter((path) => !isAbsolute(path))),
  ];
}

export async function exists(path: string): Promise<boolean> {
  return (await platform().files.look(path)) !== undefined;
}

async function folderBytes(folder: string): Promise<number> {
  const { files } = platform();
  const entries = await files.list(folder).catch(() => []);
  const found = await Promise.all(entries.map(({ name }) => files.look(join(folder, name)).catch(() => undefined)));
  return found.reduce((sum, info) => sum + (info?.storedBytes ?? 0), 0);
}

/** Finds a checkpoint by its name, its id, or the beginning of one. Throws GodwitError 'not-found', 'usage'. */
export function resolveReference(all: readonly StoredCheckpoint[], reference: string): StoredCheckpoint {
  const present = all.filter((checkpoint) => !isRemoved(checkpoint));
  const exact = present.find(({ id }) => id === reference) ?? present.find((one) => placeOf(one).name === reference);
  if (exact) return exact;
  const matching = reference === '' ? [] : present.filter(({ id }) => id.startsWith(reference));
  if (matching.length > 1) {
    throw new GodwitError('usage', `"${reference}" can be any of ${matching.length} checkpoints.`, {
      hint: `They are ${matching.map(({ id }) => id).join(', ')}.`,
    });
  }
  const [only] = matching;
  if (!only) {
    throw new GodwitError('not-found', `There is no checkpoint "${reference}".`, {
      hint: 'Name a checkpoint by its name, its id, or the beginning of its id.',
    });
  }
  return only;
}
