import {
  type BigIntStats,
  close,
  closeSync,
  constants,
  type Dirent,
  fdatasync,
  fstatSync,
  fsync,
  ftruncate,
  link,
  lstatSync,
  lutimes,
  mkdir,
  openSync,
  read,
  readdir,
  readlink,
  readSync,
  rename,
  rmdir,
  statfs,
  symlink,
  unlink,
  write,
  writeSync,
} from 'node:fs';
import { chmod } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ERRNO, type ErrnoName, ShareFault } from '../../common/9p/errno.ts';
import type { SharePath } from '../../common/9p/fid-table.ts';
import { bytesOfText, textOfBytes } from '../../common/9p/message.ts';
import { GodwitError } from '../../common/errors.ts';
import type {
  FileAccess,
  ListedNode,
  NodeChanges,
  NodeInfo,
  SharedFile,
  SharedFolder,
  SharedFolders,
  SpaceInfo,
} from '../shared-folder.ts';
import { errorCodeOf, hostError } from './host-error.ts';

/**
 * Node.js has no openat(2). On Linux /proc/self/fd/N is the folder that is open as N itself, whatever has its name by
 * now; so /proc/self/fd/N/NAME is one step from there. With O_NOFOLLOW the step does not follow a link, and with O_PATH
 * it opens nothing: a pipe or device does not notice.
 *
 * Looking up, opening, and reading and writing a little are synchronous. They take some microseconds, where another
 * thread's answer takes some hundred; and Linux asks for 4 KiB at a time where it caches nothing.
 */
const O_PATH = 0o10000000;
const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK } = constants;
const { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } = constants;
const STEP_TO_FOLDER = O_PATH | O_DIRECTORY | O_NOFOLLOW;
const STEP = O_PATH | O_NOFOLLOW;
const CALM = O_NONBLOCK | O_NOCTTY;
/** A file of so many bytes is read while another thread would be woken. */
const LITTLE_BYTES = 64 * 1024;
const NS_PER_SECOND = 1e9;

const calls = {
  fdatasync: promisify(fdatasync),
  fsync: promisify(fsync),
  ftruncate: promisify(ftruncate),
  link: promisify(link),
  lutimes: promisify(lutimes),
  mkdir: promisify(mkdir),
  rename: promisify(rename),
  rmdir: promisify(rmdir),
  statfs: promisify(statfs),
  symlink: promisify(symlink),
  unlink: promisify(unlink),
};

export const nodeSharedFolders: SharedFolders = {
  async open(path: string): Promise<SharedFolder> {
    if (process.platform !== 'linux') {
      throw new GodwitError('unsupported', 'Folders can be shared with a guest on Linux only.', {
        hint: 'Put the files on a disk, and give it with --disk.',
      });
    }
    const root = openRoot(path);
    try {
      // Where /proc is not mounted nothing could be reached safely.
      closeSync(openSync(`/proc/self/fd/${root}/.`, O_PATH | O_DIRECTORY));
    } catch (cause) {
      closeSync(root);
      throw new GodwitError('unsupported', 'Folders can be shared only where /proc is mounted.', { cause });
    }
    return new NodeSharedFolder(root);
  },
};

function openRoot(path: string): number {
  try {
    return openSync(path, O_PATH | O_DIRECTORY);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOTDIR') throw new GodwitError('usage', `${path} is no folder.`, { cause: error });
    throw hostError(error, `share ${path}`);
  }
}

class NodeSharedFolder implements SharedFolder {
  private readonly root: number;
  private closed = false;

  constructor(root: number) {
    this.root = root;
  }

  look(path: SharePath): NodeInfo {
    return faulty(() => {
      if (path.length === 0) return infoOf(fstatSync(this.root, { bigint: true }));
      return this.withParentNow(path, (at) => infoOf(lstatSync(at, { bigint: true })));
    });
  }

  lookAll(folder: SharePath, names: readonly string[]): (NodeInfo | undefined)[] {
    const node = faulty(() => this.openNode(folder, STEP_TO_FOLDER));
    try {
      return names.map((name) => {
        const stats = lstatIfThere(stepFrom(node, name));
        return stats && infoOf(stats);
      });
    } finally {
      closeSync(node);
    }
  }

  open(path: SharePath, access: FileAccess, truncates: boolean): SharedFile {
    return faulty(() =>
      this.withNode(path, (node) => {
        const { kind } = infoOf(fstatSync(node, { bigint: true }));
        if (kind !== 'file') throw new ShareFault(OPENED_NOT[kind]);
        // The very file that was looked at.
        const flags = flagsOf(access) | (truncates ? O_TRUNC : 0) | CALM;
        return new NodeSharedFile(openSync(`/proc/self/fd/${node}`, flags));
      }),
    );
  }

  create(path: SharePath, access: FileAccess, mode: number): SharedFile {
    const flags = flagsOf(access) | O_CREAT | O_EXCL | O_NOFOLLOW | CALM;
    return faulty(() => this.withParentNow(path, (at) => new NodeSharedFile(openSync(at, flags, mode))));
  }

  async list(path: SharePath): Promise<ListedNode[]> {
    return await this.withFolder(path, async (folder) =>
      (await readFolder(`/proc/self/fd/${folder}`)).map((entry) => ({
        name: textOfBytes(entry.name),
        kind: kindOfEntry(entry),
      })),
    );
  }

  async makeFolder(path: SharePath, mode: number): Promise<void> {
    await this.withParent(path, (at) => calls.mkdir(at, { mode }));
  }

  async makeLink(path: SharePath, target: string): Promise<void> {
    await this.withParent(path, (at) => calls.symlink(Buffer.from(bytesOfText(target)), at));
  }

  async readLink(path: SharePath): Promise<string> {
    return await this.withParent(path, async (at) => textOfBytes(await readLinkAt(at)));
  }

  async addName(path: SharePath, name: SharePath): Promise<void> {
    await this.withParent(path, (at) => this.withParent(name, (other) => calls.link(at, other)));
  }

  async rename(from: SharePath, to: SharePath): Promise<void> {
    await this.withParent(from, (at) => this.withParent(to, (other) => calls.rename(at, other)));
  }

  async removeFile(path: SharePath): Promise<void> {
    await this.withParent(path, (at) => calls.unlink(at));
  }

  async removeFolder(path: SharePath): Promise<void> {
    await this.withParent(path, (at) => calls.rmdir(at));
  }

  async change(path: SharePath, { mode, sizeBytes, accessedNs, modifiedNs }: NodeChanges): Promise<void> {
    if (sizeBytes !== undefined) await this.changeSize(path, sizeBytes);
    if (mode !== undefined) await this.changeMode(path, mode);
    if (accessedNs === undefined && modifiedNs === undefined) return;
    const before = this.look(path);
    const seconds = (wanted: bigint | 'now' | undefined, old: bigint): number =>
      wanted === 'now' ? Date.now() / 1000 : Number(wanted ?? old) / NS_PER_SECOND;
    const [accessed, modified] = [seconds(accessedNs, before.accessedNs), seconds(modifiedNs, before.modifiedNs)];
    if (path.length === 0) await fault(calls.lutimes(`/proc/self/fd/${this.root}/.`, accessed, modified));
    else await this.withParent(path, (at) => calls.lutimes(at, accessed, modified));
  }

  private async changeSize(path: SharePath, sizeBytes: number): Promise<void> {
    const file = this.open(path, { read: false, write: true, append: false }, false);
    try {
      await file.truncate(sizeBytes);
    } finally {
      file.close();
    }
  }

  private async changeMode(path: SharePath, mode: number): Promise<void> {
    const node = faulty(() => this.openNode(path, STEP));
    try {
      const { kind } = infoOf(fstatSync(node, { bigint: true }));
      if (kind === 'link') throw new ShareFault('EOPNOTSUPP');
      await fault(chmod(`/proc/self/fd/${node}`, mode));
    } finally {
      closeSync(node);
    }
  }

  async space(): Promise<SpaceInfo> {
    const { bsize, blocks, bfree, bavail, files, ffree } = await fault(
      calls.statfs(`/proc/self/fd/${this.root}/.`, { bigint: true }),
    );
    return { blockBytes: bsize, blocks, freeBlocks: bfree, availableBlocks: bavail, files, freeFiles: ffree };
  }

  async syncFolder(path: SharePath): Promise<void> {
    await this.withFolder(path, async (folder) => {
      const readable = openSync(`/proc/self/fd/${folder}/.`, O_RDONLY | O_DIRECTORY);
      try {
        await calls.fsync(readable);
      } finally {
        closeSync(readable);
      }
    });
  }

  close(): void {
    if (!this.closed) closeSync(this.root);
    this.closed = true;
  }

  /** Gives a descriptor, to be closed. `last`: how the last step is taken. */
  private openNode(path: SharePath, last: number): number {
    let here = openSync(`/proc/self/fd/${this.root}/.`, O_PATH | O_DIRECTORY);
    for (const [index, name] of path.entries()) {
      const from = here;
      try {
        here = openSync(stepFrom(from, name), index === path.length - 1 ? last : STEP_TO_FOLDER);
      } finally {
        closeSync(from);
      }
    }
    return here;
  }

  private withNode<T>(path: SharePath, action: (node: number) => T): T {
    const node = this.openNode(path, STEP);
    try {
      return action(node);
    } finally {
      closeSync(node);
    }
  }

  private withParentNow<T>(path: SharePath, action: (at: Buffer) => T): T {
    const [parent, name] = split(path);
    const folder = this.openNode(parent, STEP_TO_FOLDER);
    try {
      return action(stepFrom(folder, name));
    } finally {
      closeSync(folder);
    }
  }

  private async withFolder<T>(path: SharePath, action: (folder: number) => Promise<T>): Promise<T> {
    const folder = faulty(() => this.openNode(path, STEP_TO_FOLDER));
    try {
      return await fault(action(folder));
    } finally {
      closeSync(folder);
    }
  }

  private async withParent<T>(path: SharePath, action: (at: Buffer) => Promise<T>): Promise<T> {
    const [parent, name] = split(path);
    return await this.withFolder(parent, (folder) => action(stepFrom(folder, name)));
  }
}

const OPENED_NOT = { folder: 'EISDIR', link: 'ELOOP', other: 'EACCES' } as const;

/** The folder itself has no name in another one. */
function split(path: SharePath): [SharePath, string] {
  const name = path.at(-1);
  if (name === undefined) throw new ShareFault('EBUSY');
  return [path.slice(0, -1), name];
}

function stepFrom(folder: number, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${folder}/${name}`, 'latin1');
}

function flagsOf({ read: reads, write: writes, append }: FileAccess): number {
  return (writes ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY) | (append ? O_APPEND : 0);
}

class NodeSharedFile implements SharedFile {
  private readonly descriptor: number;

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  look(): NodeInfo {
    return faulty(() => infoOf(fstatSync(this.descriptor, { bigint: true })));
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const count = await readAt(this.descriptor, into.subarray(done), offset + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    for (let done = 0; done < data.length; ) {
      done += await writeAt(this.descriptor, data.subarray(done), offset + done);
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    await fault(calls.ftruncate(this.descriptor, sizeBytes));
  }

  async sync(contentOnly: boolean): Promise<void> {
    await fault(contentOnly ? calls.fdatasync(this.descriptor) : calls.fsync(this.descriptor));
  }

  close(): void {
    // Nobody waits for it, and what it says comes too late for anybody.
    close(this.descriptor, () => {});
  }
}

/** The shape that `promisify` cannot tell. */
function readFolder(path: string): Promise<Dirent<Buffer>[]> {
  return new Promise((resolve, reject) => {
    readdir(path, { encoding: 'buffer', withFileTypes: true }, (error, entries) => {
      if (error) reject(error);
      else resolve(entries as unknown as Dirent<Buffer>[]);
    });
  });
}

function readLinkAt(at: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    readlink(at, { encoding: 'buffer' }, (error, target) => (error ? reject(error) : resolve(target)));
  });
}

/** Callbacks, since promises of descriptors make an object more each time. */
async function readAt(descriptor: number, into: Uint8Array, offset: number): Promise<number> {
  if (into.length <= LITTLE_BYTES) return faulty(() => readSync(descriptor, into, 0, into.length, offset));
  return await new Promise((resolve, reject) => {
    read(descriptor, into, 0, into.length, offset, (error, count) => (error ? reject(faultOf(error)) : resolve(count)));
  });
}

async function writeAt(descriptor: number, data: Uint8Array, offset: number): Promise<number> {
  if (data.length <= LITTLE_BYTES) return faulty(() => writeSync(descriptor, data, 0, data.length, offset));
  return await new Promise((resolve, reject) => {
    write(descriptor, data, 0, data.length, offset, (error, count) =>
      error ? reject(faultOf(error)) : resolve(count),
    );
  });
}

/** Without the error that Node.js makes, which takes most of the time. */
function lstatIfThere(at: Buffer): BigIntStats | undefined {
  return faulty(() => lstatSync(at, { bigint: true, throwIfNoEntry: false }));
}

function infoOf(stats: BigIntStats): NodeInfo {
  const { dev, ino, mode, nlink, uid, gid, size, blksize, blocks } = stats;
  return {
    kind: kindOf(Number(mode)),
    mode: Number(mode),
    number: numberOf(dev, ino),
    linkCount: nlink,
    isOwn: Number(uid) === process.geteuid?.(),
    isOwnGroup: Number(gid) === process.getegid?.(),
    sizeBytes: size,
    blockBytes: blksize,
    blocks,
    accessedNs: stats.atimeNs,
    modifiedNs: stats.mtimeNs,
    changedNs: stats.ctimeNs,
    bornNs: stats.birthtimeNs,
  };
}

/** Other file systems that are mounted below the folder have the same numbers. */
function numberOf(device: bigint, inode: bigint): bigint {
  return BigInt.asUintN(64, inode ^ (device << 40n) ^ (device << 52n));
}

function kindOf(mode: number): NodeInfo['kind'] {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 'file';
    case S_IFDIR:
      return 'folder';
    case S_IFLNK:
      return 'link';
    default:
      return 'other';
  }
}

function kindOfEntry(entry: Dirent<Buffer>): NodeInfo['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

function faulty<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw faultOf(error);
  }
}

async function fault<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw faultOf(error);
  }
}

/** What is no failure of the host is a mistake of ours, and stays what it is. */
function faultOf(error: unknown): unknown {
  const code = errorCodeOf(error);
  if (error instanceof ShareFault || code === undefined) return error;
  if (code in ERRNO) return new ShareFault(code as ErrnoName);
  return code.startsWith('ERR_') ? error : new ShareFault('EIO');
}
