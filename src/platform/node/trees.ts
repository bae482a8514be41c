import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import type { HostTrees, SourceEntry, TreeTarget } from '../trees.ts';
import { errorCodeOf, hostError } from './host-error.ts';

const PIECE_BYTES = 32 * 1024;
const MODE = 0o7777;
/** Folders stay writable for us until what is in them is there. */
const WORKING_MODE = 0o700;

export const nodeTrees: HostTrees = {
  nameOf: (path) => basename(resolve(path)),
  read: (path, skipped) => readTree(path, '', true, skipped),
  async target(path, name) {
    const isFolder = await isFolderAt(path);
    if (!isFolder && /[/\\]$/.test(path)) {
      throw new GodwitError('not-found', `Cannot write ${path}: there is no such folder.`);
    }
    return new NodeTarget(isFolder && name !== '' ? join(path, name) : path);
  },
};

async function isFolderAt(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return false;
    throw hostError(error, `write ${path}`);
  }
}

/** `follow`: links are copied as links, unless they are what was asked for. */
async function* readTree(
  path: string,
  name: string,
  follow: boolean,
  skipped: (path: string) => void,
): AsyncGenerator<SourceEntry, void, undefined> {
  try {
    const info = await (follow ? stat(path) : lstat(path));
    const entry = { name, mode: info.mode & MODE, seconds: Math.floor(info.mtimeMs / 1000), sizeBytes: info.size };
    if (info.isDirectory()) {
      yield { ...entry, kind: 'folder' };
      for (const child of (await readdir(path)).sort()) {
        yield* readTree(join(path, child), name === '' ? child : `${name}/${child}`, false, skipped);
      }
      yield { ...entry, kind: 'folder-end' };
    } else if (info.isSymbolicLink()) yield { ...entry, kind: 'link', target: await readlink(path) };
    else if (info.isFile()) yield { ...entry, kind: 'file', content: contentOf(path) };
    else if (follow) throw new GodwitError('usage', `Cannot copy ${path}: it is neither a file nor a folder.`);
    else skipped(path);
  } catch (error) {
    throw error instanceof GodwitError ? error : hostError(error, `read ${path}`);
  }
}

async function* contentOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  // What became a FIFO meanwhile would not open otherwise.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new GodwitError('io', `Cannot read ${path}: it is no file any more.`);
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(PIECE_BYTES), 0, PIECE_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/**
 * What is written comes from a guest, which may lie: names that leave the target are refused, and so is what would go
 * into anything but a folder of this very copy. A link of the guest's is never followed.
 */
class NodeTarget implements TreeTarget {
  private readonly path: string;
  /** Names that there are, and which of them are folders. */
  private readonly names = new Map<string, 'folder' | 'other'>();

  constructor(path: string) {
    this.path = path;
  }

  async take(entry: SourceEntry): Promise<void> {
    const path = this.place(entry);
    try {
      if (entry.kind === 'folder') await makeFolder(path, entry.mode);
      else if (entry.kind === 'folder-end') await finishFolder(path, entry);
      else if (entry.kind === 'link') await this.write(path, (draft) => makeLink(draft, entry));
      else await this.write(path, (draft) => makeFile(draft, entry));
    } catch (error) {
      throw error instanceof GodwitError ? error : hostError(error, `write ${path}`);
    }
  }

  private place({ kind, name }: SourceEntry): string {
    const parts = name === '' ? [] : name.split('/');
    const isSound = parts.every((part) => !['', '.', '..'].includes(part) && !part.includes('\0'));
    const parent = parts.slice(0, -1).join('/');
    const isEnd = kind === 'folder-end';
    const known = this.names.get(name);
    const fits = isEnd
      ? known === 'folder'
      : known === undefined && (name === '' || this.names.get(parent) === 'folder');
    if (!isSound || !fits)
      throw new GodwitError(
        'damaged',
        `The guest sent a file with an impossible name: ${JSON.stringify(name.slice(0, 200))}.`,
      );
    if (!isEnd) this.names.set(name, kind === 'folder' ? 'folder' : 'other');
    return join(this.path, ...parts);
  }

  /** Under its name only when it is whole. */
  private async write(path: string, make: (draft: string) => Promise<void>): Promise<void> {
    const draft = join(dirname(path), `.godwit-${randomBytes(8).toString('hex')}`);
    try {
      await make(draft);
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => {});
      throw error;
    }
  }
}

async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode: (mode & 0o777) | WORKING_MODE });
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST' || !(await lstat(path)).isDirectory()) throw error;
  }
}

async function finishFolder(path: string, { mode, seconds }: SourceEntry): Promise<void> {
  await chmod(path, mode & 0o777);
  await utimes(path, seconds, seconds);
}

async function makeLink(path: string, { target = '', seconds }: SourceEntry): Promise<void> {
  await symlink(target, path);
  await lutimes(path, seconds, seconds);
}

async function makeFile(path: string, { mode, seconds, content }: SourceEntry): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const bytes of content ?? []) await file.writeFile(bytes);
    // No program of the guest runs as another user here.
    await file.chmod(mode & 0o777);
    await file.utimes(seconds, seconds);
  } finally {
    await file.close();
  }
}
