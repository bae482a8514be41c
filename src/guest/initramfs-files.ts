/** Adds files to an initramfs. */
import { readFile } from 'node:fs/promises';
import { writeCpio } from './cpio.ts';
import { directory, file } from './initramfs-entries.ts';

/**
 * The initramfs with more files in it, such as a script at "godwit/run". Linux unpacks archives that follow one
 * another, the later over the earlier, so the base stays as it is.
 */
export async function initramfsWithFiles(
  initramfsPath: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<Uint8Array> {
  const folders = new Set<string>();
  for (const name of Object.keys(files)) {
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) folders.add(name.slice(0, at));
  }
  const entries = [
    ...[...folders].sort().map((name) => directory(name)),
    ...Object.entries(files).map(([name, content]) => file(name, content, 0o755)),
  ];
  return Buffer.concat([await readFile(initramfsPath), writeCpio(entries)]);
}
