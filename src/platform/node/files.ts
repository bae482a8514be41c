import { readFileSync, statSync } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, readFile, realpath, rename, rm, stat, unlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import type { FileInfo, FileStore } from '../files.ts';
import { NodeAppendFile } from './append-file.ts';
import { fileIdentity, NodeByteFile } from './byte-file.ts';
import { createWhole } from './disk-files.ts';
import { FileByteSource } from './file-byte-source.ts';
import { errorCodeOf, hostError, named } from './host-error.ts';
import { lockImage } from './image-lock.ts';
import { removeLeftovers } from './leftovers.ts';
import { makeOwnedFolder, ownerOf } from './owned-folder.ts';
import { isTemporary, makeTemporaryFolder } from './temporary-folder.ts';
import { syncFolder, writeWholeFile } from './whole-file.ts';

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

function requireFile(path: string, entry: Kinds): void {
  if (!entry.isFile()) throw new GodwitError('usage', `${path} is not a regular file.`);
}

async function look(path: string): Promise<FileInfo | undefined> {
  try {
    const stats = await stat(path, { bigint: true });
    return {
      kind: kindOf(stats),
      sizeBytes: Number(stats.size),
      storedBytes: Number(stats.blocks) * BLOCK_BYTES,
      modifiedMs: Number(stats.mtimeMs),
      identity: fileIdentity(stats),
    };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) return undefined;
    throw hostError(error, `look at ${path}`);
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!['EPERM', 'EXDEV', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCodeOf(error) ?? ''))
      throw error;
    await copyFile(from, to);
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

async function makeEmpty(path: string): Promise<void> {
  await (await open(path, 'a', 0o600)).close();
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
      await mkdir(path, { recursive: true, mode: 0o700 });
    }),
  rename: (from, to) => attempt(`rename ${from}`, () => rename(from, to)),
  removeFile: (path) => attempt(`remove ${path}`, () => unlink(path).catch(unlessMissing)),
  removeTree: (path) => attempt(`remove ${path}`, () => rm(path, { recursive: true, force: true })),
  linkOrCopy: (from, to) => attempt(`copy ${from}`, () => linkOrCopy(from, to)),
  syncFolder: (folder) => attempt(`flush the folder ${folder}`, () => syncFolder(folder)),
  syncFile: (path) => attempt(`flush ${path}`, () => syncFile(path)),
  open: (path, options) => NodeByteFile.open(path, options),
  openSource: async (path, { what } = {}) => new FileByteSource(path, what),
  openGrowing: async (path) => new FileByteSource(path),
  openAppend: (path, options) => NodeAppendFile.open(path, options),
  read: (path, { what, pipes = false } = {}) =>
    attempt(`read ${named(path, what)}`, async () => {
      if (!pipes) requireFile(path, await stat(path));
      return await readFile(path);
    }),
  readNow: (path) => {
    try {
      requireFile(path, statSync(path));
      return readFileSync(path);
    } catch (error) {
      throw hostError(error, `read ${path}`);
    }
  },
  writeWhole: writeWholeFile,
  createWhole,
  lock: (path, mode, { create = false } = {}) =>
    attempt(`lock ${path}`, async () => {
      if (create) await makeEmpty(path);
      const { dev, ino } = await stat(path, { bigint: true });
      return await lockImage({ realPath: await realpath(path), dev, ino }, mode);
    }),
  makeOwnedFolder: (path, note) => attempt(`make the folder ${path}`, () => makeOwnedFolder(path, note)),
  ownerOf,
  removeLeftovers: (folder, options) => attempt(`clean up ${folder}`, () => removeLeftovers(folder, options)),
  makeTemporaryFolder,
  isTemporary,
  get dataFolder() {
    return dataFolder();
  },
};
