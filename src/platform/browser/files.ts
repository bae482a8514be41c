/**
 * Files in the origin private file system. It has no links, no modes and no atomic change of a folder's name: `rename`
 * moves a folder's files one by one. Only workers have synchronous handles, so godwit's services run in one.
 */
import { throwIfCancelled } from '../../common/cancellation.ts';
import { GodwitError } from '../../common/errors.ts';
import { dirname } from '../../common/paths.ts';
import type { GrowingByteSource } from '../byte-source.ts';
import type {
  AppendFile,
  ByteFile,
  DraftFile,
  FileInfo,
  FileSource,
  FileStore,
  FolderEntry,
  LockedFile,
  LockOptions,
  WriteWholeOptions,
} from '../files.ts';
import { BrowserByteFile, readAll, writeAll } from './byte-file.ts';
import { attempt, browserError } from './error.ts';
import { fileAt, folderAt, handleAt, isNamed, type MovableHandle, namesOf, placeOf } from './folders.ts';
import { lockPath, tryLock } from './locks.ts';
import { makeOwnedFolder, ownerOf } from './owned-folder.ts';
import { isTemporary, makeTemporaryFolder } from './temporary-folder.ts';

/**
 * Handles that exclude no others: locks say who may have a file. Chromium and Firefox know the mode, TypeScript does
 * not yet.
 */
function openHandle(file: FileSystemFileHandle): Promise<FileSystemSyncAccessHandle> {
  const open = file.createSyncAccessHandle as (options: { mode: string }) => Promise<FileSystemSyncAccessHandle>;
  return open.call(file, { mode: 'readwrite-unsafe' });
}

/** A draft of a file has this ending. What is left of one has no meaning to anyone. */
const DRAFT_ENDING = '.draft';

function normal(path: string): string {
  return `/${namesOf(path).join('/')}`;
}

async function requireAbsent(path: string): Promise<void> {
  if (await handleAt(path)) throw new GodwitError('usage', `Cannot create ${path}: it exists already.`);
}

async function look(path: string): Promise<FileInfo | undefined> {
  const handle = await handleAt(path);
  if (!handle) return undefined;
  if (handle.kind === 'directory') {
    return { kind: 'folder', sizeBytes: 0, storedBytes: 0, modifiedMs: 0, identity: normal(path), isProtected: false };
  }
  const { size, lastModified } = await (handle as FileSystemFileHandle).getFile();
  return {
    kind: 'file',
    sizeBytes: size,
    storedBytes: size,
    modifiedMs: lastModified,
    identity: normal(path),
    isProtected: false,
  };
}

async function list(folder: string): Promise<FolderEntry[]> {
  const entries: FolderEntry[] = [];
  const handle = await folderAt(namesOf(folder));
  for await (const [name, entry] of handle.entries()) {
    entries.push({ name, kind: entry.kind === 'file' ? 'file' : 'folder' });
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function moveFile(from: string, to: string): Promise<void> {
  const file = await fileAt(from);
  const { folder, name } = await placeOf(to);
  await (file as unknown as MovableHandle).move(folder, name);
}

async function rename(from: string, to: string): Promise<void> {
  const handle = await handleAt(from);
  if (handle?.kind !== 'directory') {
    await moveFile(from, to);
    return;
  }
  const { folder, name } = await placeOf(to);
  await folder.getDirectoryHandle(name, { create: true });
  for (const entry of await list(from)) await rename(`${from}/${entry.name}`, `${to}/${entry.name}`);
  const old = await placeOf(from);
  await old.folder.removeEntry(old.name);
}

async function remove(path: string, recursive: boolean): Promise<void> {
  try {
    const { folder, name } = await placeOf(path);
    await folder.removeEntry(name, { recursive });
  } catch (error) {
    if (!isNamed(error, 'NotFoundError')) throw error;
  }
}

async function open(
  path: string,
  { readonly = false, create = false }: { readonly readonly?: boolean; readonly create?: boolean } = {},
): Promise<LockedFile> {
  if (create) await requireAbsent(path);
  const lock = await lockPath(normal(path), readonly ? 'shared' : 'exclusive');
  try {
    const handle = await openHandle(await fileAt(path, create));
    const shared = () => lockPath(normal(path), 'shared');
    return new BrowserByteFile({ path: normal(path), readonly, handle, lock, shared });
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** A file that is read synchronously. */
class BrowserByteSource implements FileSource, GrowingByteSource {
  readonly name: string;
  sizeBytes: number;
  private readonly handle: FileSystemSyncAccessHandle;

  constructor(name: string, handle: FileSystemSyncAccessHandle) {
    this.name = name;
    this.handle = handle;
    this.sizeBytes = handle.getSize();
  }

  read(offset: number, into: Uint8Array): void {
    let count: number;
    try {
      count = readAll(this.handle, offset, into);
    } catch (error) {
      throw browserError(error, `read ${this.name}`);
    }
    if (count < into.length) throw new GodwitError('damaged', `${this.name} became shorter while it was read.`);
  }

  isChanged(): boolean {
    return this.handle.getSize() !== this.sizeBytes;
  }

  refresh(): void {
    this.sizeBytes = this.handle.getSize();
  }

  close(): void {
    this.handle.close();
  }
}

async function openSource(path: string): Promise<BrowserByteSource> {
  return new BrowserByteSource(normal(path), await openHandle(await fileAt(path)));
}

class BrowserAppendFile implements AppendFile {
  private readonly path: string;
  private readonly handle: FileSystemSyncAccessHandle;
  private sizeBytes = 0;

  constructor(path: string, handle: FileSystemSyncAccessHandle) {
    this.path = path;
    this.handle = handle;
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      writeAll(this.handle, this.sizeBytes, bytes);
    } catch (error) {
      throw browserError(error, `write ${this.path}`);
    }
    this.sizeBytes += bytes.length;
  }

  async sync(): Promise<void> {
    this.handle.flush();
  }

  async close(): Promise<void> {
    this.handle.close();
  }
}

async function openAppend(path: string, { replace = false }: { readonly replace?: boolean } = {}): Promise<AppendFile> {
  if (!replace) await requireAbsent(path);
  const handle = await openHandle(await fileAt(path, true));
  handle.truncate(0);
  return new BrowserAppendFile(path, handle);
}

async function read(path: string): Promise<Uint8Array> {
  const file = await (await fileAt(path)).getFile();
  return new Uint8Array(await file.arrayBuffer());
}

/** Fills a file under another name, and gives it its own only then. */
async function whole<T>(
  path: string,
  replace: boolean,
  fill: (handle: FileSystemSyncAccessHandle) => Promise<T>,
): Promise<T> {
  if (!replace) await requireAbsent(path);
  const { folder, name } = await placeOf(path);
  const draftName = `.${name}.${crypto.randomUUID()}${DRAFT_ENDING}`;
  const draft = await folder.getFileHandle(draftName, { create: true });
  const lock = await tryLock(normal(`${dirname(normal(path))}/${draftName}`), 'exclusive');
  try {
    const handle = await openHandle(draft);
    let result: T;
    try {
      result = await fill(handle);
      handle.flush();
    } finally {
      handle.close();
    }
    await (draft as unknown as MovableHandle).move(folder, name);
    return result;
  } finally {
    await folder.removeEntry(draftName).catch(() => {});
    await lock?.release();
  }
}

async function writeWhole(
  path: string,
  blocks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { replace = false, onProgress, signal }: WriteWholeOptions = {},
): Promise<number> {
  return await whole(path, replace, async (handle) => {
    let sizeBytes = 0;
    for await (const block of blocks) {
      throwIfCancelled(signal, 'Writing was cancelled');
      writeAll(handle, sizeBytes, block);
      sizeBytes += block.length;
      onProgress?.(sizeBytes);
    }
    throwIfCancelled(signal, 'Writing was cancelled');
    return sizeBytes;
  });
}

async function createWhole(path: string, fill: (file: ByteFile) => Promise<void>): Promise<void> {
  await whole(path, false, async (handle) => {
    const nothing = { release: async () => {} };
    await fill(
      new BrowserByteFile({ path: normal(path), readonly: false, handle, lock: nothing, shared: async () => nothing }),
    );
  });
}

async function lock(path: string, mode: 'shared' | 'exclusive', { waitMs = 0, create = false }: LockOptions = {}) {
  if (create) await fileAt(path, true);
  return await lockPath(normal(path), mode, waitMs);
}

async function openDraft(path: string): Promise<DraftFile> {
  const { folder, name } = await placeOf(path);
  const draftName = `.${name}.${crypto.randomUUID()}${DRAFT_ENDING}`;
  const draft = await open(`${dirname(path)}/${draftName}`, { create: true });
  let hasName = false;
  let isOpen = true;
  const rename = async (): Promise<void> => {
    const handle = await folder.getFileHandle(draftName);
    await (handle as unknown as MovableHandle).move(folder, name);
    draft.movedTo(path);
    hasName = true;
  };
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await draft.close();
    if (!hasName) await folder.removeEntry(draftName).catch(() => {});
  };
  return Object.assign(Object.create(draft) as LockedFile, {
    appear: async () => {
      await requireAbsent(path);
      await rename();
    },
    replace: rename,
    discard: close,
    close,
  });
}

async function sweepDrafts(folder: string, only?: string): Promise<void> {
  for (const { name } of await list(folder)) {
    if (!name.startsWith(only === undefined ? '.' : `.${only}.`) || !name.endsWith(DRAFT_ENDING)) continue;
    // Whoever still fills it has it locked.
    const path = normal(`${folder}/${name}`);
    const free = await tryLock(path, 'exclusive');
    if (!free) continue;
    await remove(path, false);
    await free.release();
  }
}

export const browserFiles: FileStore = {
  absolute: normal,
  realPath: async (path) => normal(path),
  look: (path) => attempt(`look at ${path}`, () => look(path)),
  list: (folder) => attempt(`read the folder ${folder}`, () => list(folder)),
  makeFolder: (path) =>
    attempt(`make the folder ${path}`, async () => {
      await folderAt(namesOf(path), true);
    }),
  rename: (from, to) => attempt(`rename ${from}`, () => rename(from, to)),
  removeFile: (path) => attempt(`remove ${path}`, () => remove(path, false)),
  removeTree: (path) => attempt(`remove ${path}`, () => remove(path, true)),
  addName: async (path) => {
    throw new GodwitError('unsupported', `${path} has one name only: browsers give files no second one.`);
  },
  protect: async () => {},
  syncFolder: async () => {},
  /** Every writer flushes before it closes: nothing waits outside of open files. */
  syncFile: async () => {},
  open: (path, options) => attempt(`open ${path}`, () => open(path, options)),
  openSource: (path) => attempt(`open ${path}`, () => openSource(path)),
  openGrowing: (path) => attempt(`open ${path}`, () => openSource(path)),
  openAppend: (path, options) => attempt(`write ${path}`, () => openAppend(path, options)),
  read: (path) => attempt(`read ${path}`, () => read(path)),
  readNow: (path) => {
    throw new GodwitError(
      'unsupported',
      `${path} cannot be read in the midst of execution: browsers open files later.`,
      {
        hint: 'Give the images of the machine as bytes.',
      },
    );
  },
  writeWhole: (path, blocks, options) => attempt(`write ${path}`, () => writeWhole(path, blocks, options)),
  createWhole: (path, fill) => attempt(`create ${path}`, () => createWhole(path, fill)),
  lock: (path, mode, options) => attempt(`lock ${path}`, () => lock(path, mode, options)),
  makeOwnedFolder: (path, note) => attempt(`make the folder ${path}`, () => makeOwnedFolder(normal(path), note)),
  ownerOf: (folder) => attempt(`look at ${folder}`, () => ownerOf(normal(folder))),
  openDraft: (path) => attempt(`create ${path}`, () => openDraft(normal(path))),
  sweepDrafts: (folder, name) => attempt(`clean up ${folder}`, () => sweepDrafts(folder, name)),
  makeTemporaryFolder: () => attempt('make a temporary folder', makeTemporaryFolder),
  isTemporary: (path) => isTemporary(normal(path)),
  dataFolder: '/godwit',
};
