/**
 * The guest's root folder while it is put together on the host, without root: an ordinary user can't give files to
 * others, so their owners are noted here and written into the file system image afterwards.
 *
 * Symbolic links are resolved within the folder, never by the host: a package's path such as "bin/sh" below a link
 * bin -> /usr/bin means <folder>/usr/bin/sh.
 */
import { chmod, link, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GodwitError } from '../../common/errors.ts';

const MAX_LINKS = 40;
/** Folders stay writable for us until the end, whatever the package says. */
const WORKING_FOLDER_MODE = 0o755;

export interface FileAttributes {
  /** The low 12 bits of the mode. */
  permissions: number;
  uid: number;
  gid: number;
  modifiedSeconds: number;
}

type Owned = FileAttributes & { type: 'file' | 'directory' | 'symlink' };

export const ROOT_OWNED: FileAttributes = { permissions: 0o644, uid: 0, gid: 0, modifiedSeconds: 0 };

export class RootTree {
  readonly folder: string;
  private readonly links = new Map<string, string>();
  private readonly entryMap = new Map<string, Owned>();

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Everything in it but the root, by path without a leading slash. */
  get entries(): ReadonlyMap<string, Owned> {
    return this.entryMap;
  }

  /**
   * Follows the links that stand before the last component. Throws GodwitError('damaged') for a path that leaves the
   * root.
   */
  resolve(path: string): string {
    let pending = path.split('/').filter((part) => part !== '' && part !== '.');
    let resolved: string[] = [];
    for (let followed = 0; pending.length > 0; ) {
      const part = pending.shift()!;
      if (part === '..') {
        resolved.pop(); // ".." of the root is the root
        continue;
      }
      const target = pending.length === 0 ? undefined : this.links.get([...resolved, part].join('/'));
      if (target === undefined) {
        resolved.push(part);
        continue;
      }
      if (++followed > MAX_LINKS) throw new GodwitError('damaged', `The path ${path} has too many symbolic links.`);
      if (target.startsWith('/')) resolved = [];
      pending = [...target.split('/').filter((each) => each !== '' && each !== '.'), ...pending];
    }
    if (resolved.some((part) => /[\n"\0]/.test(part))) {
      throw new GodwitError('damaged', `A package has a file with an impossible name: ${JSON.stringify(path)}.`);
    }
    return resolved.join('/');
  }

  private hostPath(resolved: string): string {
    return join(this.folder, resolved);
  }

  private async makeParents(resolved: string): Promise<void> {
    const parent = dirname(resolved);
    if (parent === '.' || this.entryMap.has(parent)) return;
    await this.addDirectory(parent, { ...ROOT_OWNED, permissions: 0o755 });
  }

  async addDirectory(path: string, attributes: FileAttributes): Promise<void> {
    const resolved = this.resolve(path);
    if (resolved === '' || this.links.has(resolved)) return; // a link to a folder serves as the folder
    await this.makeParents(resolved);
    await mkdir(this.hostPath(resolved), { recursive: true, mode: WORKING_FOLDER_MODE });
    this.entryMap.set(resolved, { ...attributes, type: 'directory' });
  }

  private async prepare(path: string): Promise<string> {
    const resolved = this.resolve(path);
    await this.makeParents(resolved);
    this.links.delete(resolved);
    await rm(this.hostPath(resolved), { force: true });
    return resolved;
  }

  async addFile(path: string, content: string | Uint8Array, attributes: Partial<FileAttributes> = {}): Promise<void> {
    const resolved = await this.prepare(path);
    await writeFile(this.hostPath(resolved), content);
    await this.finishFile(resolved, { ...ROOT_OWNED, ...attributes });
  }

  private async finishFile(resolved: string, attributes: FileAttributes): Promise<void> {
    const hostPath = this.hostPath(resolved);
    await chmod(hostPath, (attributes.permissions & 0o777) | 0o400);
    await utimes(hostPath, attributes.modifiedSeconds, attributes.modifiedSeconds);
    this.entryMap.set(resolved, { ...attributes, type: 'file' });
  }

  async addSymlink(path: string, target: string, attributes: Partial<FileAttributes> = {}): Promise<void> {
    const resolved = await this.prepare(path);
    await symlink(target, this.hostPath(resolved));
    this.links.set(resolved, target);
    this.entryMap.set(resolved, { ...ROOT_OWNED, ...attributes, permissions: 0o777, type: 'symlink' });
  }

  async addHardLink(path: string, target: string): Promise<void> {
    const resolved = await this.prepare(path);
    const source = this.resolve(target);
    const owned = this.entryMap.get(source);
    if (owned === undefined)
      throw new GodwitError('damaged', `The hard link ${path} names ${target}, which is not there.`);
    await link(this.hostPath(source), this.hostPath(resolved));
    this.entryMap.set(resolved, owned);
  }
}
