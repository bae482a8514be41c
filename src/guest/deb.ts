/** Reads files out of Debian packages (deb(5)), without unpacking them to disk. */
import { pipeline } from 'node:stream/promises';
import { Parser, type ReadEntry } from 'tar';
import { GodwitError } from '../common/errors.ts';
import { exitStatus, startProgram } from './process.ts';

/** The name without the "./" that package archives put before each. */
export function plainName(name: string): string {
  return name
    .replace(/^\.?\/+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '');
}

/** The whole content of an entry. */
export async function collectEntry(entry: ReadEntry): Promise<Buffer> {
  return Buffer.concat(await entry.collect());
}

const DPKG_DEB_OPTION = { files: '--fsys-tarfile', control: '--ctrl-tarfile' } as const;

/**
 * Streams one of a package's two archives through `onEntry`, one entry after the other; it must read each to its end
 * (or `resume()` it). Throws what `onEntry` throws, and GodwitError('damaged') if the package can't be read to its end.
 */
export async function streamDeb(
  path: string,
  archive: keyof typeof DPKG_DEB_OPTION,
  onEntry: (entry: ReadEntry) => Promise<void>,
): Promise<void> {
  const child = await startProgram('dpkg-deb', [DPKG_DEB_OPTION[archive], path]);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  let failure: unknown;
  let work = Promise.resolve();
  const parser = new Parser({
    strict: true,
    onReadEntry(entry) {
      work = work.then(async () => {
        if (failure === undefined) await onEntry(entry);
        else entry.resume();
      });
      work = work.catch((error: unknown) => {
        failure ??= error;
        entry.resume();
      });
    },
  });
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
  await work;
  if (failure !== undefined) throw failure;
  if ((await ended) !== 0) throw damaged(errors.trim().split('\n').at(-1) ?? 'dpkg-deb failed');
}

/** The content of those regular files of a package whose plain name (no leading slash) is wanted. */
export async function readDebFiles(path: string, wanted: (name: string) => boolean): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  await streamDeb(path, 'files', async (entry) => {
    const name = plainName(entry.path);
    if (entry.type === 'File' && wanted(name)) files.set(name, await collectEntry(entry));
    else entry.resume();
  });
  return files;
}
