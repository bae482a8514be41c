/** Where the sockets of running machines are, by their names. */
import { chmod, lstat, readdir, unlink } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import { type Announced, ENDPOINT_NAME, type Endpoints } from '../endpoints.ts';
import type { FileLock } from '../files.ts';
import { nodeFiles } from './files.ts';
import { hostError } from './host-error.ts';
import { makeFolders } from './make-folders.ts';
import { isListening, nodeStreams } from './streams.ts';

const ENDING = '.sock';
const LOCK_FILE = '.lock';
const LOCK_WAIT_MS = 10_000;
/** sun_path of unix(7), without its end. */
const LONGEST_PATH_BYTES = 107;

/**
 * `$XDG_RUNTIME_DIR/godwit`, or a folder of this user's own among the temporary files. Throws GodwitError('denied')
 * when it is not safe.
 */
async function controlFolder(): Promise<string> {
  const runtime = process.env.XDG_RUNTIME_DIR;
  const folder = runtime?.startsWith('/') ? join(runtime, 'godwit') : join(tmpdir(), `godwit-${userInfo().uid}`);
  try {
    await makeFolders(folder, { mode: 0o700 });
    const stats = await lstat(folder);
    if (!stats.isDirectory() || stats.uid !== userInfo().uid) {
      throw new GodwitError('denied', `${folder}, where machines can be found, belongs to someone else.`, {
        hint: 'Set XDG_RUNTIME_DIR to a folder of your own.',
      });
    }
    if ((stats.mode & 0o077) !== 0) await chmod(folder, 0o700);
    return folder;
  } catch (error) {
    throw hostError(error, `make the folder ${folder}, where machines can be found`);
  }
}

function socketPath(folder: string, name: string): string {
  const path = join(folder, `${name}${ENDING}`);
  if (Buffer.byteLength(path) <= LONGEST_PATH_BYTES) return path;
  throw new GodwitError('usage', `The path ${path} is too long for a socket.`, {
    hint: 'Set XDG_RUNTIME_DIR to a folder with a shorter path.',
  });
}

/** Names whose sockets are there, alive or not; in order. */
async function socketNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw hostError(error, `read ${folder}`);
  });
  return names
    .filter((name) => name.endsWith(ENDING))
    .map((name) => name.slice(0, -ENDING.length))
    .filter((name) => ENDPOINT_NAME.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Takes away the sockets of processes that died. With the names locked. */
async function removeStale(folder: string): Promise<void> {
  for (const name of await socketNames(folder)) {
    const path = join(folder, `${name}${ENDING}`);
    if (!(await isListening(path))) await unlink(path).catch(() => {});
  }
}

/** No other process gives out names until it is released. Who asks first gets it first. */
async function lockNames(folder: string): Promise<FileLock> {
  try {
    return await nodeFiles.lock(join(folder, LOCK_FILE), 'exclusive', { waitMs: LOCK_WAIT_MS, create: true });
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code !== 'locked') throw error;
    throw new GodwitError('locked', `Another process is giving out names in ${folder}.`, {
      hint: error.hint ?? 'Try again when it is done.',
      cause: error,
    });
  }
}

export const nodeEndpoints: Endpoints = {
  processId: process.pid,
  list: async () => await socketNames(await controlFolder()),
  announce: async (choose, onStream): Promise<Announced> => {
    const folder = await controlFolder();
    const lock = await lockNames(folder);
    try {
      await removeStale(folder);
      const name = choose(await socketNames(folder));
      const path = socketPath(folder, name);
      const listener = await nodeStreams.listen({ kind: 'unix', path }, onStream);
      const withdraw = async (): Promise<void> => {
        const closed = listener.close();
        await unlink(path).catch(() => {});
        await closed;
      };
      return { name, path, withdraw };
    } finally {
      await lock.release();
    }
  },
  connect: async (name) => await nodeStreams.connect({ kind: 'unix', path: socketPath(await controlFolder(), name) }),
};
