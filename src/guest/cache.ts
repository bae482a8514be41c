/**
 * The cache folder: files are written beside their place, synced and renamed, and a manifest with sizes, times and SHA-256
 * hashes comes last. So what the manifest names is whole, and damage that happens later is noticed.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { GodwitError } from '../common/errors.ts';
import { sha256OfFile } from './hash.ts';

/** `$XDG_CACHE_HOME/godwit`, or `~/.cache/godwit`. */
export function defaultCacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The XDG base directory specification says to ignore relative paths.
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'godwit');
}

/** What is known of a cached file. `path` is relative to the manifest's folder. */
export interface CachedFile {
  path: string;
  sizeBytes: number;
  modifiedMs: number;
  sha256: string;
}

export interface Manifest {
  version: 1;
  /** What the files were made from and how; another recipe means that they must be made again. */
  recipe: string;
  facts: Record<string, string>;
  files: Record<string, CachedFile>;
}

const MANIFEST_NAME = 'manifest.json';

function hostError(doing: string, path: string, error: unknown): GodwitError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GodwitError('full', `There is no space left for ${path}.`, { hint: 'Free some space.', cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new GodwitError('denied', `${path} can't be written.`, {
      hint: 'Point XDG_CACHE_HOME at a folder that you may write.',
      cause: error,
    });
  }
  return new GodwitError('io', `${doing} ${path} failed: ${(error as Error).message}.`, { cause: error });
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw hostError('Making', path, error);
  });
}

/** Brings a file or a folder to stable storage. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts a file that was written beside its place into it: synced, renamed, folder synced. */
export async function moveIntoPlace(temporary: string, path: string): Promise<void> {
  try {
    await syncPath(temporary);
    await rename(temporary, path);
    await syncPath(dirname(path));
  } catch (error) {
    throw hostError('Writing', path, error);
  }
}

/** Writes a file so that it is either wholly there or not at all. */
export async function writeAtomically(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}.part`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(content);
    } finally {
      await handle.close();
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw hostError('Writing', path, error);
  }
  await moveIntoPlace(temporary, path);
}

/** Takes away what a process that was killed left half written. Only with the folder's lock held. */
export async function removeParts(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[]);
  for (const name of names) if (name.endsWith('.part')) await rm(join(folder, name), { force: true });
}

/** Writes a file into a cache folder and gives its manifest entry. */
export async function addCachedFile(folder: string, name: string, content: Uint8Array): Promise<CachedFile> {
  const path = join(folder, name);
  await writeAtomically(path, content);
  const { size, mtimeMs } = await stat(path);
  const sha256 = createHash('sha256').update(content).digest('hex');
  return { path: name, sizeBytes: size, modifiedMs: mtimeMs, sha256 };
}

/** The manifest entry of a file that is in its place already. */
export async function describeCachedFile(folder: string, name: string): Promise<CachedFile> {
  const path = join(folder, name);
  const { size, mtimeMs } = await stat(path);
  return { path: name, sizeBytes: size, modifiedMs: mtimeMs, sha256: await sha256OfFile(path) };
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await writeAtomically(join(folder, MANIFEST_NAME), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** The manifest of a folder; undefined if there is none yet or it is not readable, which means the same: make it again. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, MANIFEST_NAME), 'utf8')) as Partial<Manifest>;
    const sound =
      manifest.version === 1 &&
      typeof manifest.recipe === 'string' &&
      isRecord(manifest.files) &&
      isRecord(manifest.facts);
    return sound ? (manifest as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** 'quick' looks at size and time of change, 'full' reads and hashes everything. */
export type CheckDepth = 'quick' | 'full';

async function checkFile(folder: string, file: CachedFile, depth: CheckDepth): Promise<string | undefined> {
  const path = join(folder, file.path);
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return `${file.path} is missing`;
  if (info.size !== file.sizeBytes) return `${file.path} has ${info.size} bytes instead of ${file.sizeBytes}`;
  // A file that was touched or copied may still be right; only its content can tell.
  if (depth === 'quick' && info.mtimeMs === file.modifiedMs) return undefined;
  return (await sha256OfFile(path)) === file.sha256 ? undefined : `${file.path} was changed`;
}

/** What is wrong with the files of a manifest, as parts of sentences; empty if nothing is. */
export async function checkFiles(folder: string, manifest: Manifest, depth: CheckDepth): Promise<string[]> {
  const found = await Promise.all(Object.values(manifest.files).map((file) => checkFile(folder, file, depth)));
  return found.filter((problem) => problem !== undefined);
}
