/** Finding files and folders of the origin private file system (File System Standard, "bucket file system") by path. */
import { GodwitError } from '../../common/errors.ts';

/** What browsers have and TypeScript does not know yet. */
export interface MovableHandle {
  move(parent: FileSystemDirectoryHandle, name: string): Promise<void>;
}

export function namesOf(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

export async function folderAt(names: readonly string[], create = false): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of names) folder = await folder.getDirectoryHandle(name, { create });
  return folder;
}

/** The folder that something is in, and its name there. */
export async function placeOf(
  path: string,
): Promise<{ readonly folder: FileSystemDirectoryHandle; readonly name: string }> {
  const names = namesOf(path);
  const name = names.pop();
  if (name === undefined) throw new GodwitError('usage', `${path} names no file.`);
  return { folder: await folderAt(names), name };
}

export async function fileAt(path: string, create = false): Promise<FileSystemFileHandle> {
  const { folder, name } = await placeOf(path);
  return folder.getFileHandle(name, { create });
}

/** The file or folder, or undefined. */
export async function handleAt(path: string): Promise<FileSystemHandle | undefined> {
  const names = namesOf(path);
  if (names.length === 0) return folderAt([]);
  try {
    const { folder, name } = await placeOf(path);
    try {
      return await folder.getFileHandle(name);
    } catch (error) {
      if (!isNamed(error, 'TypeMismatchError')) throw error;
      return await folder.getDirectoryHandle(name);
    }
  } catch (error) {
    if (isNamed(error, 'NotFoundError') || isNamed(error, 'TypeMismatchError')) return undefined;
    throw error;
  }
}

export function isNamed(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name;
}
