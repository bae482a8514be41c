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
  return failureOf(error, action, hostCode === undefined ? undefined : CODES[hostCode]);
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
