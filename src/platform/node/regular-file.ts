/**
 * The one place where files of users are opened. What is no regular file is refused at once: opening a FIFO would wait
 * for its other end, in a thread that no signal ends, and reading a device may never come to an end.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { GodwitError } from '../../common/errors.ts';
import { errorCodeOf, hostError } from './host-error.ts';

const { O_CREAT, O_EXCL, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Neither waits, nor makes a terminal the process's own. Of no meaning for regular files. */
const AT_ONCE = (O_NONBLOCK ?? 0) | (O_NOCTTY ?? 0);

const ACCESS = { read: O_RDONLY, write: O_RDWR, create: O_RDWR | O_CREAT | O_EXCL } as const;

/** 'create': the file must not exist. */
export type Access = keyof typeof ACCESS;

export interface OpenWording {
  /** For messages, in place of the path. */
  readonly name?: string;
  /** What is done with it, as in "cannot open: permission is missing". */
  readonly action?: string;
}

/** Throws GodwitError, 'usage' for what is no regular file. */
export async function openRegular(
  path: string,
  access: Access,
  { name = path, action = 'open', mode }: OpenWording & { readonly mode?: number } = {},
): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, ACCESS[access] | AT_ONCE, mode);
    if ((await handle.stat()).isFile()) return handle;
    throw notRegular(name);
  } catch (error) {
    await handle?.close();
    throw openError(error, name, action);
  }
}

/** The same for who cannot wait. Gives a descriptor, for reading. */
export function openRegularNow(path: string, { name = path, action = 'open' }: OpenWording = {}): number {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, ACCESS.read | AT_ONCE);
    if (fstatSync(descriptor).isFile()) return descriptor;
    throw notRegular(name);
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    throw openError(error, name, action);
  }
}

function notRegular(name: string): GodwitError {
  return new GodwitError('usage', `${name} is not a regular file.`);
}

/** Sockets cannot be opened at all, nor devices that nobody serves, nor folders for writing. */
function openError(error: unknown, name: string, action: string): GodwitError {
  if (['ENXIO', 'ENODEV', 'EOPNOTSUPP', 'EISDIR'].includes(errorCodeOf(error) ?? '')) return notRegular(name);
  return hostError(error, `${action} ${name}`);
}
