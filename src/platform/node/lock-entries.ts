/**
 * Entries of locks (file-lock.ts): small files by which a process shows all others what it holds or asks for.
 *
 * They lie in two places, and either counts: beside the file, where other users, containers and machines that share the
 * folder see them, and in a folder of the host for files in folders that cannot be written to and for hard links from
 * other folders. Both go by the file's inode, so that all its names mean the same lock.
 *
 * An entry is complete from the moment it has its name, and its content never changes. It is removed by its owner, or
 * by whoever finds that the owner is dead. Owners keep their entries open, since a process may live on when the thread
 * that held the lock is gone: an entry that its process does not have open is of no one.
 */
import { unlinkSync } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errorCodeOf, hostError } from './host-error.ts';
import { hasFileOpen, livenessOf, ownIdentity, type ProcessIdentity } from './process-identity.ts';

export type LockMode = 'shared' | 'exclusive';

export interface LockTarget {
  /** With symbolic links resolved. */
  readonly realPath: string;
  readonly dev: bigint;
  readonly ino: bigint;
  /**
   * A file for locking only, in a folder that can be written to: it has no other name, and other programs do not lock
   * it.
   */
  readonly isOurs?: boolean;
}

/** Where entries for one file lie. */
export interface LockPlace {
  readonly folder: string;
  readonly prefix: string;
}

export interface EntryContent extends ProcessIdentity {
  mode: LockMode;
  path: string;
}

/** What an entry's name says. */
export interface EntryName {
  readonly entryPath: string;
  /** The same in both places. */
  readonly id: string;
  /** The place in the line; undefined: it is still to be drawn. 0 is before all that are drawn. */
  readonly ticket: number | undefined;
}

export interface OwnEntry {
  readonly place: LockPlace;
  readonly path: string;
  readonly handle: FileHandle;
}

export interface Holder {
  readonly content: EntryContent;
  readonly entryPath: string;
  /** Its process is in sight. */
  readonly certain: boolean;
}

const NAME = /^(asks|\d+)-\d+-([0-9a-f-]{36})$/;
/** The form of entries in the host's folder: beside a file there are others. */
const HOST_ENTRY = /^\d+-\d+-(?:asks-|\d+-)?\d+-[0-9a-f-]{36}$/;
const DRAFT_PREFIX = '.godwit-draft-';
const MANY_ENTRIES = 256;
const SWEPT_AT_ONCE = 8;
const DRAFT_LASTS_MS = 60_000;
/** Entries of this process, to be removed when it ends without having released them. */
const ownEntryPaths = new Set<string>();
let removesAtExit = false;

export function placesFor({ realPath, dev, ino, isOurs = false }: LockTarget): LockPlace[] {
  const beside = { folder: dirname(realPath), prefix: `.godwit-lock-${ino}-` };
  if (isOurs) return [beside];
  return [beside, { folder: join(tmpdir(), 'godwit-locks'), prefix: `${dev}-${ino}-` }];
}

/** Puts an entry wherever that is possible. */
export async function putEntries(
  places: readonly LockPlace[],
  target: LockTarget,
  entry: { readonly mode: LockMode; readonly id: string; readonly ticket: number | undefined },
): Promise<OwnEntry[]> {
  const { mode, id, ticket } = entry;
  const content: EntryContent = { ...(await ownIdentity()), mode, path: target.realPath };
  const name = nameOf(id, ticket);
  const entries: OwnEntry[] = [];
  let failure: unknown;
  for (const [index, place] of places.entries()) {
    try {
      if (index > 0) await makeSharedFolder(place.folder);
      entries.push(await putEntry(place, name, content));
    } catch (error) {
      failure = error;
    }
  }
  // A reader who cannot leave a trace anywhere still reads; a writer must be seen.
  if (entries.length === 0 && mode === 'exclusive') throw hostError(failure, `lock ${target.realPath}`);
  return entries;
}

/** Gives entries that said "asks" their place in the line. */
export async function renameEntries(entries: readonly OwnEntry[], id: string, ticket: number): Promise<OwnEntry[]> {
  return await Promise.all(
    entries.map(async ({ place, path, handle }) => {
      const drawn = join(place.folder, `${place.prefix}${nameOf(id, ticket)}`);
      removeAtExit(drawn);
      await rename(path, drawn);
      ownEntryPaths.delete(path);
      return { place, path: drawn, handle };
    }),
  );
}

function nameOf(id: string, ticket: number | undefined): string {
  return `${ticket ?? 'asks'}-${process.pid}-${id}`;
}

/** For all users of the host, like the folder for temporary files itself: each may remove only what is theirs. */
async function makeSharedFolder(folder: string): Promise<void> {
  const created = await mkdir(folder, { recursive: true });
  if (created !== undefined) await chmod(folder, 0o1777);
}

async function putEntry(place: LockPlace, name: string, content: EntryContent): Promise<OwnEntry> {
  const draft = join(place.folder, `${DRAFT_PREFIX}${name}`);
  const path = join(place.folder, `${place.prefix}${name}`);
  const handle = await open(draft, 'wx', 0o644);
  try {
    await handle.writeFile(JSON.stringify(content));
    await rename(draft, path);
  } catch (error) {
    await handle.close();
    await unlink(draft).catch(() => {});
    throw error;
  }
  removeAtExit(path);
  return { place, path, handle };
}

export async function removeEntries(entries: readonly OwnEntry[]): Promise<void> {
  for (const { path, handle } of entries) {
    await unlink(path).catch(() => {});
    ownEntryPaths.delete(path);
    await handle.close().catch(() => {});
  }
}

function removeAtExit(path: string): void {
  ownEntryPaths.add(path);
  if (removesAtExit) return;
  removesAtExit = true;
  process.on('exit', () => {
    for (const entryPath of ownEntryPaths) {
      try {
        unlinkSync(entryPath);
      } catch {
        // Whoever looks next finds that its holder is gone.
      }
    }
  });
}

/** All entries for the file, own ones among them. */
export async function listEntries(places: readonly LockPlace[]): Promise<EntryName[]> {
  return (await Promise.all(places.map(listEntriesIn))).flat();
}

async function listEntriesIn({ folder, prefix }: LockPlace): Promise<EntryName[]> {
  const names = await readdir(folder).catch(() => []);
  if (names.length > MANY_ENTRIES) await sweepSome(folder, names);
  const entries = names.filter((name) => name.startsWith(prefix));
  return entries.map((name) => parseName(join(folder, name), name.slice(prefix.length)));
}

/** What is not ours is before all. */
function parseName(entryPath: string, text: string): EntryName {
  const match = NAME.exec(text);
  if (match === null) return { entryPath, id: text, ticket: 0 };
  return { entryPath, id: match[2]!, ticket: match[1] === 'asks' ? undefined : Number(match[1]) };
}

/**
 * Entries of the dead are mostly for files that are gone too, so nobody would ever look at them again; but all who lock
 * read their names. Each removes a few where there are many.
 */
async function sweepSome(folder: string, names: readonly string[]): Promise<void> {
  const first = Math.floor(Math.random() * names.length);
  for (const name of names.slice(first, first + SWEPT_AT_ONCE)) {
    if (HOST_ENTRY.test(name)) await readHolder(join(folder, name)).catch(() => {});
  }
}

/** Who put an entry; undefined when it is gone or dead. Removes entries of the dead. */
export async function readHolder(entryPath: string): Promise<Holder | undefined> {
  const text = await readFile(entryPath, 'utf8').catch((error: unknown) => {
    if (errorCodeOf(error) === 'ENOENT') return undefined; // just released
    throw hostError(error, `read the lock ${entryPath}`);
  });
  if (text === undefined) return undefined;
  const content = parseContent(text);
  const liveness = content === undefined ? 'dead' : await holderLiveness(entryPath, content);
  if (content !== undefined && liveness !== 'dead') return { content, entryPath, certain: liveness === 'alive' };
  await unlink(entryPath).catch(() => {});
  return undefined;
}

async function holderLiveness(entryPath: string, content: EntryContent): Promise<'alive' | 'dead' | 'unknown'> {
  const liveness = await livenessOf(content);
  if (liveness !== 'alive') return liveness;
  const entry = await stat(entryPath, { bigint: true }).catch(() => undefined);
  if (entry === undefined) return 'dead';
  return (await hasFileOpen(content.pid, entry)) === false ? 'dead' : 'alive';
}

/** What is not complete is left from a crash of the host. */
function parseContent(text: string): EntryContent | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isContent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isContent(value: unknown): value is EntryContent {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Record<string, unknown>;
  const texts = ['machine', 'boot', 'pidNamespace', 'startTicks', 'path'];
  const hasTexts = texts.every((key) => typeof entry[key] === 'string');
  const hasMode = entry.mode === 'shared' || entry.mode === 'exclusive';
  return hasTexts && hasMode && Number.isSafeInteger(entry.pid) && Number(entry.pid) > 0;
}

/** Entries have their first name for a moment only. Takes those away whose process did not get further. */
export async function sweepEntryDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(DRAFT_PREFIX)) continue;
    const path = join(folder, name);
    const stats = await stat(path).catch(() => undefined);
    if (stats && Date.now() - stats.mtimeMs > DRAFT_LASTS_MS) await unlink(path).catch(() => {});
  }
}
