/** Reads files out of Debian packages (deb(5)), without unpacking them to disk. */
import { pipeline } from 'node:stream/promises';
import { Parser, type ReadEntry } from 'tar';
import { GodwitError } from '../common/errors.ts';
import { exitStatus, startProgram } from './process.ts';

/** The name without the "./" that package archives put before each. */
export function plainName(name: string): string {
  return name.replace(/^\.?\/+/, '').replace(/\/+$/, '');
}

/**
 * Streams the archive of a package's files through `onEntry`, which must read each entry to its end (or `resume()` it).
 * Throws GodwitError('damaged') if the package can't be read to its end.
 */
export async function streamDeb(path: string, onEntry: (entry: ReadEntry) => void): Promise<void> {
  const child = await startProgram('dpkg-deb', ['--fsys-tarfile', path]);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  const parser = new Parser({ strict: true, onReadEntry: onEntry });
  const ended = exitStatus(child);
  const damaged = (why: string, cause?: unknown): GodwitError =>
    new GodwitError('damaged', `The package ${path} can't be read: ${why}.`, { cause });
  try {
    // The parser is a writable stream in all that pipeline uses.
    await pipeline(child.stdout, parser as unknown as NodeJS.WritableStream);
  } catch (error) {
    child.kill();
    throw damaged(error instanceof Error ? error.message : String(error), error);
  }
  if ((await ended) !== 0) throw damaged(errors.trim().split('\n').at(-1) ?? 'dpkg-deb failed');
}

/** The content of those regular files of a package whose plain name (no leading slash) is wanted. */
export async function readDebFiles(path: string, wanted: (name: string) => boolean): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  await streamDeb(path, (entry) => {
    const name = plainName(entry.path);
    if (entry.type !== 'File' || !wanted(name)) {
      entry.resume();
      return;
    }
    const parts: Buffer[] = [];
    entry.on('data', (chunk) => parts.push(Buffer.from(chunk)));
    entry.on('end', () => files.set(name, Buffer.concat(parts)));
  });
  return files;
}
