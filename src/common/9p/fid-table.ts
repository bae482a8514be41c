import { ShareFault } from './errno.ts';
import {
  HEADER_TYPE,
  NAME_BYTES_MAXIMUM,
  OPEN_LASTING,
  PATH_BYTES_MAXIMUM,
  T_ATTACH,
  T_CLUNK,
  T_LCREATE,
  T_LOPEN,
  T_REMOVE,
  T_RENAME,
  T_RENAMEAT,
  T_UNLINKAT,
  T_VERSION,
  T_WALK,
  WALK_NAMES_MAXIMUM,
} from './layout.ts';
import { MessageReader } from './message.ts';

/** From the shared folder on: names, each one byte a character. The folder itself has none. */
export type SharePath = readonly string[];

/** What a guest's number for a file stands for. */
export interface Fid {
  /** Undefined: what it stood for was removed or replaced. What is open can still be read. */
  readonly path: SharePath | undefined;
  /** The flags that it was opened with, as far as they last; undefined: it is not open. */
  readonly flags: number | undefined;
}

/** A driver that wants more is refused. */
export const FIDS_MAXIMUM = 32_768;
/** All paths together. */
export const FID_PATHS_BYTES_MAXIMUM = 16 * 1024 ** 2;

/**
 * What the numbers of a 9P session stand for. It follows from requests and their answers alone, so the device, which
 * keeps it as a part of the machine's state, and the server, which works with it, come to the same.
 */
export class FidTable {
  private readonly fids = new Map<number, Fid>();
  private pathBytes = 0;

  get size(): number {
    return this.fids.size;
  }

  get(fid: number): Fid | undefined {
    return this.fids.get(fid);
  }

  /** In the order in which they came. */
  entries(): IterableIterator<[number, Fid]> {
    return this.fids.entries();
  }

  clear(): void {
    this.fids.clear();
    this.pathBytes = 0;
  }

  copy(): FidTable {
    const copy = new FidTable();
    for (const [fid, value] of this.fids) copy.set(fid, value);
    return copy;
  }

  /** Whether another one with this path is within bounds. */
  hasRoomFor(path: SharePath): boolean {
    return this.fids.size < FIDS_MAXIMUM && this.pathBytes + lengthOf(path) <= FID_PATHS_BYTES_MAXIMUM;
  }

  /** Nothing happens beyond the bounds, which the server keeps to. */
  set(fid: number, value: Fid): void {
    this.forget(fid);
    if (!this.hasRoomFor(value.path ?? [])) return;
    this.fids.set(fid, value);
    this.pathBytes += lengthOf(value.path ?? []);
  }

  private forget(fid: number): void {
    const value = this.fids.get(fid);
    if (value === undefined) return;
    this.fids.delete(fid);
    this.pathBytes -= lengthOf(value.path ?? []);
  }

  /** What an answered request changes. Takes anything: what makes no sense changes nothing. */
  apply(request: Uint8Array, reply: Uint8Array): void {
    try {
      this.applyChecked(request, reply);
    } catch (error) {
      if (!(error instanceof ShareFault)) throw error;
    }
  }

  private applyChecked(request: Uint8Array, reply: Uint8Array): void {
    const type = request[HEADER_TYPE] ?? 0;
    const succeeded = reply[HEADER_TYPE] === type + 1;
    const reader = new MessageReader(request);
    // A number is given up also when that fails.
    if (type === T_CLUNK || type === T_REMOVE) this.giveUp(reader.u32(), type === T_REMOVE && succeeded);
    else if (succeeded) this.succeed(type, reader, reply);
  }

  private giveUp(fid: number, isRemoved: boolean): void {
    const path = this.fids.get(fid)?.path;
    if (isRemoved && path) this.detach(path);
    this.forget(fid);
  }

  private succeed(type: number, reader: MessageReader, reply: Uint8Array): void {
    switch (type) {
      case T_VERSION:
        this.clear();
        break;
      case T_ATTACH:
        this.set(reader.u32(), { path: [], flags: undefined });
        break;
      case T_WALK:
        this.walk(reader, new MessageReader(reply).u16());
        break;
      case T_LOPEN:
        this.open(reader.u32(), [], reader.u32());
        break;
      case T_LCREATE:
        this.open(reader.u32(), [readName(reader)], reader.u32());
        break;
      case T_RENAME:
        this.rename(this.get(reader.u32())?.path, this.below(reader.u32(), readName(reader)));
        break;
      case T_RENAMEAT:
        this.rename(this.below(reader.u32(), readName(reader)), this.below(reader.u32(), readName(reader)));
        break;
      case T_UNLINKAT: {
        const path = this.below(reader.u32(), readName(reader));
        if (path) this.detach(path);
        break;
      }
    }
  }

  private below(fid: number, name: string): SharePath | undefined {
    const path = this.get(fid)?.path;
    return path && [...path, name];
  }

  private walk(reader: MessageReader, found: number): void {
    const path = this.get(reader.u32())?.path;
    const newFid = reader.u32();
    const names = readWalkNames(reader);
    if (path && names.length === found) this.set(newFid, { path: walked(path, names), flags: undefined });
  }

  private open(fid: number, more: SharePath, flags: number): void {
    const path = this.get(fid)?.path;
    if (path) this.set(fid, { path: [...path, ...more], flags: flags & OPEN_LASTING });
  }

  private rename(from: SharePath | undefined, to: SharePath | undefined): void {
    if (!from || !to || isWithin(from, to)) return;
    this.detach(to);
    for (const [fid, { path, flags }] of this.fids) {
      if (!path || !isWithin(path, from)) continue;
      const moved = [...to, ...path.slice(from.length)];
      // Folders that are moved into folders make paths of any length.
      this.replace(fid, { path: lengthOf(moved) > PATH_BYTES_MAXIMUM ? undefined : moved, flags });
    }
  }

  private detach(gone: SharePath): void {
    for (const [fid, { path, flags }] of this.fids) {
      if (path && isWithin(path, gone)) this.replace(fid, { path: undefined, flags });
    }
  }

  /** In its place in the order. */
  private replace(fid: number, value: Fid): void {
    this.pathBytes += lengthOf(value.path ?? []) - lengthOf(this.fids.get(fid)?.path ?? []);
    this.fids.set(fid, value);
  }
}

/** With slashes. */
export function lengthOf(path: SharePath): number {
  return path.reduce((sum, name) => sum + name.length + 1, 0);
}

/** It is that folder, or below it. */
function isWithin(path: SharePath, folder: SharePath): boolean {
  return path.length >= folder.length && folder.every((name, index) => path[index] === name);
}

/** Where names lead to. There are no symbolic links in a path, so ".." is the name before; never above the root. */
export function walked(path: SharePath, names: readonly string[]): SharePath {
  const result = [...path];
  for (const name of names) {
    if (name === '..') result.pop();
    else result.push(name);
  }
  return result;
}

/** Of something in a folder. Throws ShareFault for what can be no name. */
export function readName(reader: MessageReader): string {
  const name = reader.text();
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) throw new ShareFault('EINVAL');
  if (name.length > NAME_BYTES_MAXIMUM) throw new ShareFault('ENAMETOOLONG');
  return name;
}

/** Throws ShareFault for what can be no names. */
export function readWalkNames(reader: MessageReader): string[] {
  const count = reader.u16();
  if (count > WALK_NAMES_MAXIMUM) throw new ShareFault('EINVAL');
  const names: string[] = [];
  for (let index = 0; index < count; index++) {
    const name = reader.text();
    if (name === '' || name === '.' || /[/\0]/.test(name)) throw new ShareFault('ENOENT');
    if (name.length > NAME_BYTES_MAXIMUM) throw new ShareFault('ENAMETOOLONG');
    names.push(name);
  }
  return names;
}

/** Throws ShareFault for one that is too long. */
export function requireShort(path: SharePath): SharePath {
  if (lengthOf(path) > PATH_BYTES_MAXIMUM) throw new ShareFault('ENAMETOOLONG');
  return path;
}
