/**
 * dpkg's database as `dpkg --unpack` would leave it: every package in the state "unpacked", so that `dpkg --configure
 * -a` in the guest finishes the installation. The unpacking itself, which is most of the work, then costs the guest
 * nothing.
 *
 * Layout (dpkg's source, lib/dpkg/dbmodify.c, infodb-format.c, src/main/triggers):
 * var/lib/dpkg/{status,available,diversions, statoverride}, info/format ("1": names of co-installable packages carry
 * their architecture), info/<package>.<file>, triggers/File for path triggers and triggers/<name> for named ones.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootTree } from './root-tree.ts';
import type { UnpackedPackage } from './unpack.ts';

const DATABASE = 'var/lib/dpkg';

/** The base name of a package's info files. */
export function infoName(unpacked: Pick<UnpackedPackage, 'name' | 'architecture' | 'multiArch'>): string {
  return unpacked.multiArch === 'same' ? `${unpacked.name}:${unpacked.architecture}` : unpacked.name;
}

/** The lines of the status file's Conffiles field: path and MD5 of what the package brought. */
async function conffileLines(tree: RootTree, unpacked: UnpackedPackage): Promise<string[]> {
  const listed = unpacked.controlFiles.get('conffiles')?.toString().split('\n') ?? [];
  const lines: string[] = [];
  for (const path of listed.map((line) => line.trim())) {
    if (!path.startsWith('/')) continue; // "remove-on-upgrade /path" and empty lines
    const content = await readFile(join(tree.folder, tree.resolve(path)));
    lines.push(` ${path} ${createHash('md5').update(content).digest('hex')}`);
  }
  return lines;
}

/** One stanza of the status file. */
export function statusStanza(control: string, conffiles: readonly string[]): string {
  const [first = '', ...rest] = control.split('\n');
  const fields = [first, 'Status: install ok unpacked', ...rest];
  if (conffiles.length > 0) fields.push('Conffiles:', ...conffiles);
  return `${fields.join('\n')}\n`;
}

export interface TriggerInterests {
  /** Lines of triggers/File: "<path> <package>[/noawait]". */
  paths: string[];
  /** Lines of triggers/<name>: "<package>[/noawait]". */
  named: Map<string, string[]>;
}

/** Notes what a package's `triggers` file (deb-triggers(5)) is interested in. */
export function noteTriggers(into: TriggerInterests, packageName: string, triggers: string): void {
  for (const line of triggers.split('\n')) {
    const match = /^\s*interest(-await|-noawait)?\s+(\S+)/.exec(line);
    if (match === null) continue;
    const [, kind, name = ''] = match;
    const entry = packageName + (kind === '-noawait' ? '/noawait' : '');
    if (name.startsWith('/')) into.paths.push(`${name} ${entry}`);
    else into.named.set(name, [...(into.named.get(name) ?? []), entry]);
  }
}

/** Writes the database for what was unpacked. */
export async function writeDpkgDatabase(tree: RootTree, packages: readonly UnpackedPackage[]): Promise<void> {
  const stanzas: string[] = [];
  const triggers: TriggerInterests = { paths: [], named: new Map() };
  for (const each of packages) {
    stanzas.push(statusStanza(each.control, await conffileLines(tree, each)));
    const base = `${DATABASE}/info/${infoName(each)}`;
    await tree.addFile(`${base}.list`, `${each.paths.join('\n')}\n`);
    for (const [name, content] of each.controlFiles) {
      const script = /^(pre|post)(inst|rm)$|^config$/.test(name);
      await tree.addFile(`${base}.${name}`, content, { permissions: script ? 0o755 : 0o644 });
    }
    noteTriggers(triggers, infoName(each), each.controlFiles.get('triggers')?.toString() ?? '');
  }
  await tree.addFile(`${DATABASE}/status`, stanzas.join('\n'));
  await tree.addFile(`${DATABASE}/info/format`, '1\n');
  for (const name of ['available', 'diversions', 'statoverride']) await tree.addFile(`${DATABASE}/${name}`, '');
  for (const name of ['updates', 'alternatives', 'parts']) {
    await tree.addDirectory(`${DATABASE}/${name}`, { permissions: 0o755, uid: 0, gid: 0, modifiedSeconds: 0 });
  }
  await tree.addFile(`${DATABASE}/triggers/File`, triggers.paths.map((line) => `${line}\n`).join(''));
  for (const [name, lines] of triggers.named) {
    await tree.addFile(`${DATABASE}/triggers/${name}`, lines.map((line) => `${line}\n`).join(''));
  }
}
