import { randomUUID } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { GodwitError } from '../../common/errors.ts';
import { errorCodeOf, hostError } from './host-error.ts';
import { hasFileOpen, livenessOf, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/**
 * Locks on image files: any number of readers, or one writer. Node gives no access to the kernel's file locks, so a holder
 * puts a small file, its entry, where all others look:
 *
 * 1. Put the own entry in place, complete, by renaming it.
 * 2. Look at the entries of others. One that conflicts and whose holder lives: take the own entry away, and try again or give up.
 *
 * Of two that do this at once, at least one sees the other, so never do both get the lock. No entry is ever taken over or
 * changed by another, only removed when its holder is dead; so there is no moment at which a crash leaves a lock that blocks.
 *
 * Entries lie in two places, and a conflict in either counts: beside the image, where other users, containers and
 * machines that share the folder see them, and in a folder of the host for images in folders that cannot be written to and for
 * hard links from other folders. Both go by the file's inode, so that all its names mean the same lock.
 *
 * A holder keeps its entries open. Its process may live on when the thread that held the lock is gone: an entry that
 * its process does not have open is of no one.
 */
export interface ImageLock {
  /** Lets readers in. Nobody can write in between. */
  share(): Promise<void>;
  release(): Promise<void>;
}

export type LockMode = 'shared' | 'exclusive';

export interface LockedFile {
  /** With symbolic links resolved. */
  realPath: string;
  dev: bigint;
  ino: bigint;
}

interface Place {
  folder: string;
  prefix: string;
}

interface EntryContent extends ProcessIdentity {
  mode: LockMode;
  path: string;
}

interface OwnEntry {
  path: string;
  handle: FileHandle;
}

interface Conflict {
  content: EntryContent;
  entryPath: string;
  certain: boolean;
}

const ATTEMPTS = 4;
const LONGEST_PAUSE_MS = 30;
const MANY_ENTRIES = 256;
const SWEPT_AT_ONCE = 8;
/** Entries of this process, to be removed when it ends without having released them. */
const ownEntryPaths = new Set<string>();
let removesAtExit = false;

class HeldLock implements ImageLock {
  readonly #places: Place[];
  readonly #file: LockedFile;
  #entries: OwnEntry[];

  constructor(places: Place[], file: LockedFile, entries: OwnEntry[]) {
    this.#places = places;
    this.#file = file;
    this.#entries = entries;
  }

  async share(): Promise<void> {
    const exclusive = this.#entries;
    this.#entries = await putEntries(this.#places, this.#file, 'shared');
    await removeEntries(exclusive);
  }

  release(): Promise<void> {
    return removeEntries(this.#entries);
  }
}

export async function lockImage(file: LockedFile, mode: LockMode): Promise<ImageLock> {
  const places = placesFor(file);
  for (let attempt = 1; ; attempt++) {
    const entries = await putEntries(places, file, mode);
    try {
      const conflict = await findConflict(places, mode, entries);
      if (conflict === undefined) return new HeldLock(places, file, entries);
      if (attempt === ATTEMPTS) throw lockedError(file, mode, conflict);
    } catch (error) {
      await removeEntries(entries);
      throw error;
    }
    await removeEntries(entries);
    // The other may be one that tries at this very moment, and gives way as well: come back at another time than it.
    await delay(1 + Math.random() * LONGEST_PAUSE_MS);
  }
}

function placesFor({ realPath, dev, ino }: LockedFile): Place[] {
  return [
    { folder: dirname(realPath), prefix: `.godwit-lock-${ino}-` },
    { folder: join(tmpdir(), 'godwit-locks'), prefix: `${dev}-${ino}-` },
  ];
}

async function putEntries(places: Place[], file: LockedFile, mode: LockMode): Promise<OwnEntry[]> {
  const content: EntryContent = { ...(await ownIdentity()), mode, path: file.realPath };
  const entries: OwnEntry[] = [];
  let failure: unknown;
  for (const [index, place] of places.entries()) {
    try {
      if (index > 0) await makeSharedFolder(place.folder);
      entries.push(await putEntry(place, content));
    } catch (error) {
      failure = error;
    }
  }
  // A reader who cannot leave a trace anywhere still reads; a writer must be seen.
  if (entries.length === 0 && mode === 'exclusive') throw hostError(failure, `lock ${file.realPath}`);
  return entries;
}

/** For all users of the host, like the folder for temporary files itself: each may remove only what is theirs. */
async function makeSharedFolder(folder: string): Promise<void> {
  const created = await mkdir(folder, { recursive: true });
  if (created !== undefined) await chmod(folder, 0o1777);
}

async function putEntry(place: Place, content: EntryContent): Promise<OwnEntry> {
  const id = randomUUID();
  const draft = join(place.folder, `.godwit-draft-${id}`);
  const path = join(place.folder, `${place.prefix}${content.pid}-${id}`);
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
  return { path, handle };
}

async function removeEntries(entries: OwnEntry[]): Promise<void> {
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

async function findConflict(places: Place[], mode: LockMode, own: OwnEntry[]): Promise<Conflict | undefined> {
  const ownPaths = new Set(own.map((entry) => entry.path));
  for (const { folder, prefix } of places) {
    const names = await readdir(folder).catch(() => []);
    if (names.length > MANY_ENTRIES) await sweepSome(folder, names);
    for (const name of names) {
      const entryPath = join(folder, name);
      if (!name.startsWith(prefix) || ownPaths.has(entryPath)) continue;
      const conflict = await conflictWith(entryPath, mode);
      if (conflict !== undefined) return conflict;
    }
  }
  return undefined;
}

/**
 * Entries of the dead are mostly for files that are gone too, so nobody would ever look at them again; but all who lock read their
 * names. Each removes a few where there are many.
 */
async function sweepSome(folder: string, names: readonly string[]): Promise<void> {
  const first = Math.floor(Math.random() * names.length);
  for (const name of names.slice(first, first + SWEPT_AT_ONCE)) {
    // The form of entries in the host's folder: beside an image there are files of other kinds.
    if (/^\d+-\d+-\d+-[0-9a-f-]{36}$/.test(name)) await conflictWith(join(folder, name), 'exclusive').catch(() => {});
  }
}

async function conflictWith(entryPath: string, mode: LockMode): Promise<Conflict | undefined> {
  let text: string;
  try {
    text = await readFile(entryPath, 'utf8');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined; // just released
    throw hostError(error, `read the lock ${entryPath}`);
  }
  const content = parseEntry(text);
  if (content !== undefined && mode === 'shared' && content.mode === 'shared') return undefined;
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

/** An entry is complete from the moment it has its name. What is not is left from a crash of the host. */
function parseEntry(text: string): EntryContent | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isEntry(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isEntry(value: unknown): value is EntryContent {
  if (typeof value !== 'object' || value === null) return false;
  const entry = value as Record<string, unknown>;
  const texts = ['machine', 'boot', 'pidNamespace', 'startTicks', 'path'];
  const hasTexts = texts.every((key) => typeof entry[key] === 'string');
  const hasMode = entry.mode === 'shared' || entry.mode === 'exclusive';
  return hasTexts && hasMode && Number.isSafeInteger(entry.pid) && Number(entry.pid) > 0;
}

function lockedError(file: LockedFile, mode: LockMode, conflict: Conflict): GodwitError {
  const use = conflict.content.mode === 'exclusive' ? 'writes to it' : 'reads it';
  const holder = conflict.certain
    ? `process ${conflict.content.pid} ${use}`
    : `process ${conflict.content.pid} of another machine or container ${use}`;
  const hint = conflict.certain
    ? mode === 'exclusive'
      ? 'Stop the other machine first, or make an image of your own with this one as its backing file.'
      : 'Stop the other machine first.'
    : `When you are sure that it is gone, remove the file ${conflict.entryPath}.`;
  return new GodwitError('locked', `The disk image ${file.realPath} is in use: ${holder}.`, { hint });
}
