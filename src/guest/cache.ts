/**
 * The cache folder: files are written beside their place, synced and renamed, and a manifest with sizes, times and
 * SHA-256 hashes comes last. So what the manifest names is whole, and damage that happens later is noticed.
 */
import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ErrorCode, GodwitError } from '../common/errors.ts';
import { hostError } from '../platform/node/host-error.ts';
import { makeFolders } from '../platform/node/make-folders.ts';
import { writeWholeFile } from '../platform/node/whole-file.ts';
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

const HINTS: Partial<Record<ErrorCode, string>> = {
  full: 'Free some space.',
  denied: 'Point XDG_CACHE_HOME at a folder that you may write.',
};

function withHint(error: unknown, action: string): GodwitError {
  const { code, message } = hostError(error, action);
  const hint = HINTS[code];
  return new GodwitError(code, message, { cause: error, ...(hint !== undefined && { hint }) });
}

/** Makes a folder and those above it. */
export async function makeFolder(path: string): Promise<void> {
  await makeFolders(path).catch((error: unknown) => {
    throw withHint(error, `make ${path}`);
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

/** Writes a file so that it is either wholly there or not at all. */
export async function writeAtomically(path: string, content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  await writeWholeFile(path, [bytes], { replace: true, mode: 0o666 }).catch((error: unknown) => {
    throw withHint(error, `write ${path}`);
  });
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

/**
 * The manifest of a folder; undefined if there is none yet or it is not readable, which means the same: make it again.
 */
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
