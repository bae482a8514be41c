/** Where the sockets of running machines are, by their names. */
import { chmod, lstat, mkdir, readdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import { nodeFiles } from './files.ts';
import { errorCodeOf, hostError } from './host-error.ts';

const ENDING = '.sock';
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,39}$/;
const LOCK_FILE = '.lock';
const LOCK_WAIT_MS = 10_000;
/** sun_path of unix(7), without its end. */
const LONGEST_PATH_BYTES = 107;

/**
 * `$XDG_RUNTIME_DIR/godwit`, or a folder of this user's own among the temporary files. Throws GodwitError('denied')
 * when it is not safe.
 */
export async function controlFolder(): Promise<string> {
  const runtime = process.env.XDG_RUNTIME_DIR;
  const folder = runtime?.startsWith('/') ? join(runtime, 'godwit') : join(tmpdir(), `godwit-${userInfo().uid}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
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

/** Throws GodwitError('usage'). */
export function assertMachineName(name: string): void {
  if (NAME.test(name)) return;
  throw new GodwitError('usage', `"${name}" cannot be the name of a machine.`, {
    hint: 'A name has up to 40 of A-Z a-z 0-9 . _ - and begins with none of . and -',
  });
}

export function socketPath(folder: string, name: string): string {
  const path = join(folder, `${name}${ENDING}`);
  if (Buffer.byteLength(path) <= LONGEST_PATH_BYTES) return path;
  throw new GodwitError('usage', `The path ${path} is too long for a socket.`, {
    hint: 'Set XDG_RUNTIME_DIR to a folder with a shorter path.',
  });
}

/** Names of machines whose sockets are there, alive or not; in order. */
export async function socketNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw hostError(error, `read ${folder}`);
  });
  return names
    .filter((name) => name.endsWith(ENDING))
    .map((name) => name.slice(0, -ENDING.length))
    .filter((name) => NAME.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Does something while no other process gives out names. */
export async function withNames<T>(folder: string, action: () => Promise<T>): Promise<T> {
  const lock = await nodeFiles.lock(join(folder, LOCK_FILE), 'exclusive', { waitMs: LOCK_WAIT_MS, create: true });
  try {
    return await action();
  } finally {
    await lock.release();
  }
}

/** Whether anyone listens there. A socket outlives a process that was killed. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error) => {
      const code = errorCodeOf(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      // So many want something of it that there is no room: it lives.
      else if (code === 'EAGAIN') resolve(true);
      else reject(hostError(error, `connect to ${path}`));
    });
  });
}

/** Takes away the sockets of machines whose processes died. With the names locked. */
export async function removeStale(folder: string): Promise<void> {
  for (const name of await socketNames(folder)) {
    const path = join(folder, `${name}${ENDING}`);
    if (!(await isListening(path))) await unlink(path).catch(() => {});
  }
}
