import { closeSync, readFileSync } from 'node:fs';
import { chmod, open, readdir, realpath, rename, rm, stat, unlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { FileInfo, FileLock, FileStore, LockOptions } from '../files.ts';
import { NodeAppendFile } from './append-file.ts';
import { fileIdentity, NodeByteFile } from './byte-file.ts';
import { NodeDraftFile, sweepDrafts } from './draft-file.ts';
import { FileByteSource } from './file-byte-source.ts';
import { lockFile } from './file-lock.ts';
import { errorCodeOf, hostError, named } from './host-error.ts';
import { type LockMode, sweepEntryDrafts } from './lock-entries.ts';
import { makeFolders } from './make-folders.ts';
import { makeOwnedFolder, ownerOf } from './owned-folder.ts';
import { openRegular, openRegularNow } from './regular-file.ts';
import { addName } from './second-name.ts';
import { syncFolder } from './sync-folder.ts';
import { isTemporary, makeTemporaryFolder } from './temporary-folder.ts';
import { createWhole, writeWholeFile } from './whole-file.ts';

/** The unit of `st_blocks`, whatever the file system has for its own. */
const BLOCK_BYTES = 512;

/** Does something with the host's files, and turns its failures into sentences: "Cannot <action>: ...". */
async function attempt<T>(action: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw hostError(error, action);
  }
}

function unlessMissing(error: unknown): void {
  if (errorCodeOf(error) !== 'ENOENT') throw error;
}

interface Kinds {
  isFile(): boolean;
  isDirectory(): boolean;
}

function kindOf(entry: Kinds): FileInfo['kind'] {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'folder' : 'other';
}

async function look(path: string): Promise<FileInfo | undefined> {
  try {
    const stats = await stat(path, { bigint: true });
    return {
      kind: kindOf(stats),
      sizeBytes: Number(stats.size),
      storedBytes: Number(stats.blocks) * BLOCK_BYTES,
      modifiedMs: Number(stats.mtimeNs / 1000n) / 1000,
      identity: fileIdentity(stats),
      isProtected: (stats.mode & 0o222n) === 0n,
    };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) return undefined;
    throw hostError(error, `look at ${path}`);
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await openRegular(path, 'read');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** The file's mode says so, also to those who may do everything. */
async function protect(path: string, wanted: boolean): Promise<void> {
  const mode = (await stat(path)).mode & 0o777;
  await chmod(path, wanted ? mode & 0o555 : mode | 0o200);
}

async function lock(path: string, mode: LockMode, options: LockOptions = {}): Promise<FileLock> {
  const isOurs = options.create ?? false;
  if (isOurs) await (await open(path, 'a', 0o600)).close();
  const { dev, ino } = await stat(path, { bigint: true });
  return await lockFile({ realPath: await realpath(path), dev, ino, isOurs }, mode, options.waitMs);
}

function dataFolder(): string {
  const base = process.env.XDG_DATA_HOME;
  return join(base?.startsWith('/') ? base : join(homedir(), '.local', 'share'), 'godwit');
}

export const nodeFiles: FileStore = {
  absolute: (path) => resolve(path),
  realPath: (path) => attempt(`look at ${path}`, () => realpath(path)),
  look,
  list: (folder) =>
    attempt(`read the folder ${folder}`, async () => {
      const entries = await readdir(folder, { withFileTypes: true });
      return entries
        .map((entry) => ({ name: entry.name, kind: kindOf(entry) }))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    }),
  makeFolder: (path) =>
    attempt(`make the folder ${path}`, async () => {
      await makeFolders(path, { mode: 0o700 });
    }),
  rename: (from, to) => attempt(`rename ${from}`, () => rename(from, to)),
  removeFile: (path) => attempt(`remove ${path}`, () => unlink(path).catch(unlessMissing)),
  removeTree: (path) => attempt(`remove ${path}`, () => rm(path, { recursive: true, force: true })),
  addName,
  protect: (path, wanted) =>
    attempt(wanted ? `make ${path} read-only` : `make ${path} writable`, () => protect(path, wanted)),
  syncFolder,
  syncFile: (path) => attempt(`flush ${path}`, () => syncFile(path)),
  open: (path, options) => NodeByteFile.open(path, options),
  openSource: async (path, { what } = {}) => new FileByteSource(path, what),
  openGrowing: async (path) => new FileByteSource(path),
  openAppend: (path, options) => NodeAppendFile.open(path, options),
  read: async (path, { what } = {}) => {
    const name = named(path, what);
    const handle = await openRegular(path, 'read', { name, action: 'read' });
    try {
      return await attempt(`read ${name}`, () => handle.readFile());
    } finally {
      await handle.close();
    }
  },
  readNow: (path) => {
    const descriptor = openRegularNow(path, { action: 'read' });
    try {
      return readFileSync(descriptor);
    } catch (error) {
      throw hostError(error, `read ${path}`);
    } finally {
      closeSync(descriptor);
    }
  },
  writeWhole: writeWholeFile,
  createWhole,
  openDraft: (path, options) => NodeDraftFile.openDraft(path, options),
  sweepDrafts: async (folder, name) => {
    await sweepDrafts(folder, name);
    if (name === undefined) await sweepEntryDrafts(folder);
  },
  lock: (path, mode, options) => attempt(`lock ${path}`, () => lock(path, mode, options)),
  makeOwnedFolder: (path, note) => attempt(`make the folder ${path}`, () => makeOwnedFolder(path, note)),
  ownerOf,
  makeTemporaryFolder,
  isTemporary,
  get dataFolder() {
    return dataFolder();
  },
};
