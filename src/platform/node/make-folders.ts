import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCodeOf } from './host-error.ts';

/**
 * Makes a folder and those above it that are missing. Node's own way tries for ever where the system lets nobody make
 * any, as in /proc.
 */
export async function makeFolders(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  try {
    await makeOne(path, options);
  } catch (error) {
    const above = dirname(path);
    if (errorCodeOf(error) !== 'ENOENT' || above === path || (await isFolder(above))) throw error;
    await makeFolders(above, options);
    await makeOne(path, options);
  }
}

async function makeOne(path: string, options: { readonly mode?: number }): Promise<void> {
  try {
    await mkdir(path, options);
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST' || !(await isFolder(path))) throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}
