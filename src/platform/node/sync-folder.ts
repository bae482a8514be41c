import { open } from 'node:fs/promises';
import { errorCodeOf, hostError } from './host-error.ts';

const NOT_POSSIBLE = ['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/**
 * What has a name in a folder has it after a crash of the host too. Not all file systems can say so, nor for all whom
 * they let in.
 */
export async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!NOT_POSSIBLE.includes(errorCodeOf(error) ?? '')) throw hostError(error, `flush the folder ${path}`);
  }
}
