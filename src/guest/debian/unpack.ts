/** Unpacks Debian packages into a {@link RootTree}, and reads their control data. */
import type { ReadEntry } from 'tar';
import { GodwitError } from '../../common/errors.ts';
import type { FetchedPackage } from '../apt.ts';
import { collectEntry, plainName, streamDeb } from '../deb.ts';
import type { FileAttributes, RootTree } from './root-tree.ts';

/** A package as dpkg's database describes one that is unpacked. */
export interface UnpackedPackage {
  name: string;
  architecture: string;
  multiArch: string;
  /** The control file's fields as they stand there. */
  control: string;
  /** Maintainer scripts, triggers, md5sums and the like, by name. */
  controlFiles: Map<string, Buffer>;
  /** All its paths, with a leading slash, in the archive's order. */
  paths: string[];
}

function attributesOf(entry: ReadEntry): FileAttributes {
  return {
    permissions: (entry.mode ?? 0o644) & 0o7777,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    modifiedSeconds: Math.floor((entry.mtime?.getTime() ?? 0) / 1000),
  };
}

async function placeEntry(tree: RootTree, entry: ReadEntry): Promise<void> {
  const name = plainName(entry.path);
  const attributes = attributesOf(entry);
  switch (entry.type) {
    case 'File':
    case 'OldFile':
    case 'ContiguousFile':
      return tree.addFile(name, await collectEntry(entry), attributes);
    case 'Directory':
      entry.resume();
      return tree.addDirectory(name, attributes);
    case 'SymbolicLink':
      entry.resume();
      return tree.addSymlink(name, entry.linkpath ?? '', attributes);
    case 'Link':
      entry.resume();
      return tree.addHardLink(name, plainName(entry.linkpath ?? ''));
    default:
      entry.resume();
      throw new GodwitError(
        'unsupported',
        `The package's file ${name} is a ${entry.type}, which godwit does not unpack.`,
      );
  }
}

function field(control: string, name: string): string {
  return new RegExp(`^${name}: *(.*)$`, 'mi').exec(control)?.[1] ?? '';
}

async function readControl(path: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  await streamDeb(path, 'control', async (entry) => {
    if (entry.type === 'File') files.set(plainName(entry.path), await collectEntry(entry));
    else entry.resume();
  });
  return files;
}

/** Unpacks one package. */
export async function unpackPackage(tree: RootTree, fetched: FetchedPackage): Promise<UnpackedPackage> {
  const controlFiles = await readControl(fetched.path);
  const control = controlFiles.get('control')?.toString();
  if (control === undefined) throw new GodwitError('damaged', `The package ${fetched.path} has no control file.`);
  controlFiles.delete('control');
  const paths: string[] = [];
  await streamDeb(fetched.path, 'files', async (entry) => {
    const name = plainName(entry.path);
    paths.push(name === '' ? '/.' : `/${name}`);
    await placeEntry(tree, entry);
  });
  return {
    name: field(control, 'Package'),
    architecture: field(control, 'Architecture'),
    multiArch: field(control, 'Multi-Arch'),
    control: control.trimEnd(),
    controlFiles,
    paths,
  };
}
