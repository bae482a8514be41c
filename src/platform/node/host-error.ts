import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GodwitError } from '../../common/errors.ts';
import { failureOf, type KnownFailure } from '../failure.ts';

const CODES: Readonly<Record<string, KnownFailure>> = {
  ENOENT: { code: 'not-found', reason: 'it does not exist' },
  ENOTDIR: { code: 'not-found', reason: 'a part of its path is not a folder' },
  EACCES: { code: 'denied', reason: 'permission is missing' },
  EPERM: { code: 'denied', reason: 'the system does not permit it' },
  EROFS: { code: 'denied', reason: 'the file system is read-only' },
  ENOSPC: { code: 'full', reason: 'no space is left' },
  EDQUOT: { code: 'full', reason: 'the quota is used up' },
  EFBIG: { code: 'full', reason: 'the file system takes no larger file' },
  EEXIST: { code: 'usage', reason: 'it exists already' },
  EISDIR: { code: 'usage', reason: 'it is a folder' },
  ENAMETOOLONG: { code: 'usage', reason: 'its name is too long' },
  ELOOP: { code: 'usage', reason: 'its symbolic links form a loop' },
  ERR_INVALID_ARG_VALUE: { code: 'usage', reason: 'its name is not a file name' },
  EMFILE: { code: 'limit', reason: 'too many files are open' },
  ENFILE: { code: 'limit', reason: 'too many files are open on this host' },
};

/** A failure of the host as a GodwitError. `action` is as in "cannot <action>: permission is missing". */
export function hostError(error: unknown, action: string): GodwitError {
  const hostCode = errorCodeOf(error);
  const known = hostCode === undefined ? undefined : CODES[hostCode];
  const folder = hostCode === 'ENOENT' ? missingFolder(error) : undefined;
  return failureOf(
    error,
    action,
    known && folder ? { ...known, reason: `the folder ${folder} does not exist` } : known,
  );
}

/** The first that is not there of those on the way to what was not found. Undefined: all are. */
function missingFolder(error: unknown): string | undefined {
  let missing: string | undefined;
  for (const path of pathsOf(error)) {
    for (let folder = dirname(path); !existsSync(folder); folder = dirname(folder)) missing = folder;
    if (missing !== undefined) return missing;
  }
  return undefined;
}

/** Node says in `dest` where a file was to go. */
function pathsOf(error: unknown): string[] {
  const { path, dest } = error as { path?: unknown; dest?: unknown };
  return [path, dest].filter((each) => typeof each === 'string');
}

/** How messages name a file: "the kernel /boot/vmlinuz". */
export function named(path: string, what: string | undefined): string {
  return what === undefined ? path : `${what} ${path}`;
}

/** The host's code of a failure, such as ENOENT. */
export function errorCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
