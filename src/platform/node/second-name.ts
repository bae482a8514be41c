import { link, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import { errorCodeOf, hostError } from './host-error.ts';
import { syncFolder } from './sync-folder.ts';

/**
 * Gives a file the first of `names` that it can have besides its own: a hard link does not reach another file system.
 */
export async function addName(path: string, names: readonly string[]): Promise<string> {
  let failure: unknown;
  for (const name of names) {
    try {
      await link(path, name);
      await syncFolder(dirname(name)).catch(async (error: unknown) => {
        await unlink(name).catch(() => {});
        throw error;
      });
      return name;
    } catch (error) {
      failure = error;
      if (errorCodeOf(error) !== 'EXDEV') break;
    }
  }
  if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(errorCodeOf(failure) ?? '')) {
    throw new GodwitError('unsupported', `The file system of ${path} has no hard links.`, { cause: failure });
  }
  throw hostError(failure, `give ${path} the name ${names.at(-1)} as well`);
}
