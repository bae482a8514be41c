/** Files that get their name when they are whole. */
import { randomUUID } from 'node:crypto';
import { chmod, link, readdir, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DraftFile, DraftOptions } from '../files.ts';
import { NodeByteFile, type OpenedFile, openFile } from './byte-file.ts';
import { errorCodeOf, hostError } from './host-error.ts';

const ENDING = '.draft';
const UUID = /^[0-9a-f-]{36}$/;

export interface NodeDraftOptions extends DraftOptions {
  /** Else what the process's mask leaves of 0666. */
  readonly mode?: number;
  /** Nobody else looks into the folder. */
  readonly unlocked?: boolean;
}

/** Its temporary name means nothing to anyone: errors give the one that it is for. */
export class NodeDraftFile extends NodeByteFile implements DraftFile {
  private readonly draftPath: string;
  private readonly path: string;
  private isNamed = false;
  private isDiscarded = false;

  static async openDraft(
    path: string,
    { like, mode, unlocked = false }: NodeDraftOptions = {},
  ): Promise<NodeDraftFile> {
    const draftPath = join(dirname(path), `.${basename(path)}.${randomUUID()}${ENDING}`);
    const options = { create: true, unlocked, name: path, ...(mode !== undefined && { mode }) };
    const opened = await openFile(draftPath, options);
    const file = new NodeDraftFile(opened, draftPath, path);
    try {
      if (like !== undefined) await chmod(draftPath, (await stat(like)).mode & 0o777);
      return file;
    } catch (error) {
      await file.discard();
      throw hostError(error, `create ${path}`);
    }
  }

  private constructor(opened: OpenedFile, draftPath: string, path: string) {
    super(opened);
    this.draftPath = draftPath;
    this.path = path;
  }

  async appear(): Promise<void> {
    await this.giveName(() => nameFile(this.draftPath, this.path));
  }

  async replace(): Promise<void> {
    await this.giveName(() => rename(this.draftPath, this.path));
  }

  async discard(): Promise<void> {
    if (this.isDiscarded) return;
    this.isDiscarded = true;
    // First: whoever sweeps goes by the lock.
    if (!this.isNamed) await unlink(this.draftPath).catch(() => {});
    await this.close().catch(() => {});
  }

  private async giveName(call: () => Promise<void>): Promise<void> {
    try {
      await call();
      this.isNamed = true;
      this.movedTo(join(dirname(this.realPath), basename(this.path)));
    } catch (error) {
      throw hostError(error, `create ${this.path}`);
    }
  }
}

/** Unlike a rename, a link replaces nothing. Where the file system has no links, an empty file takes the name first. */
async function nameFile(draftPath: string, path: string): Promise<void> {
  try {
    await link(draftPath, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCodeOf(error) ?? '')) throw error;
    await writeFile(path, '', { flag: 'wx' });
    await rename(draftPath, path);
    return;
  }
  await unlink(draftPath).catch(() => {});
}

/**
 * Takes drafts away that a process left which was killed: of the file of that name, or all. Whoever still fills one has
 * it locked.
 */
export async function sweepDrafts(folder: string, name?: string): Promise<void> {
  const start = name === undefined ? '.' : `.${name}.`;
  for (const each of await readdir(folder).catch(() => [])) {
    if (!each.startsWith(start) || !each.endsWith(ENDING)) continue;
    if (name !== undefined && !UUID.test(each.slice(start.length, -ENDING.length))) continue;
    const draftPath = join(folder, each);
    const file = await NodeByteFile.open(draftPath).catch(() => undefined);
    if (file === undefined) continue;
    await unlink(draftPath).catch(() => {});
    await file.close();
  }
}
