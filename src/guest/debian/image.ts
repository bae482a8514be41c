/**
 * Makes an ext4 file system out of a {@link RootTree} with e2fsprogs, which every Debian has, and without root: `mke2fs
 * -d` copies the folder, then debugfs sets owners and special mode bits, since the host's files belong to whoever runs
 * this.
 */
import { open, rm, writeFile } from 'node:fs/promises';
import { GodwitError } from '../../common/errors.ts';
import { runProgram } from '../process.ts';
import type { Extent } from './extents.ts';
import type { RootTree } from './root-tree.ts';

const SPECIAL_BITS = 0o7000;
const TYPE_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000 } as const;

/** debugfs commands (debugfs(8), set_inode_field) that give each entry its owner and mode, where the host's differ. */
export function ownerCommands(tree: Pick<RootTree, 'entries'>, hostUid: number, hostGid: number): string[] {
  const commands: string[] = [];
  for (const [path, entry] of tree.entries) {
    const set = (field: string, value: string): void => {
      commands.push(`set_inode_field "/${path}" ${field} ${value}`);
    };
    if (entry.uid !== hostUid) set('uid', String(entry.uid));
    if (entry.gid !== hostGid) set('gid', String(entry.gid));
    // Folders were kept writable, files readable, and a set-group bit may not have survived on the host.
    const changed = entry.type === 'directory' ? entry.permissions !== 0o755 : (entry.permissions & 0o400) === 0;
    if (entry.type !== 'symlink' && (changed || (entry.permissions & SPECIAL_BITS) !== 0)) {
      set('mode', `0${(TYPE_BITS[entry.type] | entry.permissions).toString(8)}`);
    }
  }
  return commands;
}

async function run(program: string, args: readonly string[], doing: string): Promise<void> {
  const result = await runProgram(program, args);
  // debugfs ends with 0 even if a command failed; it says its version on standard error first.
  const errors = result.stderr.split('\n').filter((line) => line.trim() !== '' && !/^(debugfs|mke2fs) \d/.test(line));
  if (result.status === 0 && errors.length === 0) return;
  const text = errors.slice(0, 3).join('; ') || `status ${result.status}`;
  const code = /No space left|disk full/i.test(text) ? 'full' : 'io';
  throw new GodwitError(code, `${doing} with ${program} failed: ${text}.`);
}

/** The parts of a file system that are in use, from what dumpe2fs(8) prints: all but its free blocks. */
export function parseUsedExtents(text: string): Extent[] {
  const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(text)?.[1]);
  const blockBytes = number('Block size');
  const blockCount = number('Block count');
  if (!Number.isInteger(blockBytes) || !Number.isInteger(blockCount)) {
    throw new GodwitError('damaged', 'dumpe2fs does not say what the new file system looks like.');
  }
  if (/^Filesystem features:.*needs_recovery/m.test(text)) {
    throw new GodwitError('io', 'The guest did not put away its disk before it powered off.');
  }
  // In groups that are indented; the line before them with all free blocks of the file system has only a count.
  const free = [...text.matchAll(/^ +Free blocks: (.*)$/gm)]
    .flatMap((match) => (match[1] ?? '').split(', '))
    .filter((range) => range !== '')
    .map((range) => range.split('-').map(Number));
  const extents: Extent[] = [];
  let used = 0;
  for (const [first = 0, last = first] of [...free, [blockCount]]) {
    if (first > used) extents.push({ start: used * blockBytes, end: first * blockBytes });
    used = last + 1;
  }
  return extents;
}

/** The parts of an ext4 image that hold something. Throws GodwitError('io') if it was not unmounted. */
export async function usedExtents(path: string): Promise<Extent[]> {
  const result = await runProgram('dumpe2fs', [path]);
  if (result.status !== 0)
    throw new GodwitError('damaged', `dumpe2fs can't read the new file system: ${result.stderr.trim()}`);
  return parseUsedExtents(result.stdout);
}

/** Writes the raw, sparse image at `path`. */
export async function makeExt4Image(tree: RootTree, path: string, sizeBytes: number): Promise<void> {
  const handle = await open(path, 'w');
  await handle.truncate(sizeBytes);
  await handle.close();
  // With lazy initialisation every machine made from the disk would write its inode tables again.
  const extended = 'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0';
  const args = ['-q', '-F', '-t', 'ext4', '-L', 'godwit', '-m', '1', '-E', extended, '-d', tree.folder, path];
  await run('mke2fs', args, 'Making the file system');
  const commands = ownerCommands(tree, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  const script = `${path}.owners`;
  await writeFile(script, `${commands.join('\n')}\n`);
  try {
    await run('debugfs', ['-w', '-f', script, path], 'Setting the owners of files');
  } finally {
    await rm(script, { force: true });
  }
}
