/** Names of image files: making, moving and replacing them so that a crash leaves a whole file under each name. */
import { randomUUID } from 'node:crypto';
import { link, open, readdir, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import { fileIdentity, NodeByteFile } from './byte-file.ts';
import { errorCodeOf, hostError } from './host-error.ts';

/** a temporary name beside `path`. */
export function draftPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}.new`);
}

/** Fills a file under a temporary name, and gives it its own only then. */
export async function createWhole(path: string, fill: (file: NodeByteFile) => Promise<void>): Promise<void> {
  const draft = draftPath(path);
  try {
    const file = await NodeByteFile.open(draft, { create: true });
    try {
      await fill(file);
    } finally {
      await file.close();
    }
    await nameFile(draft, path);
  } catch (error) {
    const { code, message, hint } = hostError(error, `create ${path}`);
    // The temporary name means nothing to anyone.
    throw new GodwitError(code, message.replaceAll(draft, path), {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  } finally {
    await unlink(draft).catch(() => {});
  }
}

/** Unlike a rename, a link replaces nothing. Where the file system has no links, an empty file takes the name first. */
async function nameFile(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCodeOf(error) ?? '')) throw error;
    await writeFile(path, '', { flag: 'wx' });
    await rename(draft, path);
  }
}

/** What was done to names in the folder of `path` survives a crash of the host. Not all file systems can say so. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

/** The file's identity by that name; undefined where there is none. */
export async function identityOf(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true }).catch((error: unknown) => {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw hostError(error, `look at ${path}`);
  });
  return stats === undefined ? undefined : fileIdentity(stats);
}

/** Takes drafts away that a process left which was killed. The caller holds the lock of `path`. */
export async function sweepDrafts(path: string): Promise<void> {
  const start = `.${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(start) || !/^[0-9a-f-]{36}\.new$/.test(name.slice(start.length))) continue;
    const draft = join(dirname(path), name);
    // Whoever still fills it has it locked.
    const file = await NodeByteFile.open(draft).catch(() => undefined);
    if (file === undefined) continue;
    await unlink(draft).catch(() => {});
    await file.close();
  }
}
