import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parsePackageRecords } from '../../src/guest/apt.ts';
import {
  noteTriggers,
  statusStanza,
  type TriggerInterests,
  writeDpkgDatabase,
} from '../../src/guest/debian/dpkg-database.ts';
import { nonZeroRuns, wholeClusters } from '../../src/guest/debian/extents.ts';
import { makeExt4Image, ownerCommands, parseUsedExtents, usedExtents } from '../../src/guest/debian/image.ts';
import { ROOT_OWNED, RootTree } from '../../src/guest/debian/root-tree.ts';
import { unpackPackage } from '../../src/guest/debian/unpack.ts';

const folder = mkdtempSync(join(tmpdir(), 'godwit-debian-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const hasDpkg = spawnSync('dpkg-deb', ['--version']).status === 0;
const SBIN = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const hasE2fs = spawnSync('mke2fs', ['-V'], { env: SBIN }).status === 0;

let trees = 0;
function newTree(): RootTree {
  const path = join(folder, `tree${++trees}`);
  mkdirSync(path);
  return new RootTree(path);
}

/** Builds a package with dpkg's own tool. */
function buildDeb(name: string, control: Record<string, string>, make: (root: string) => void): string {
  const root = join(folder, `${name}-source`);
  mkdirSync(join(root, 'DEBIAN'), { recursive: true });
  const fields = {
    Package: name,
    Version: '1.0',
    Architecture: 'riscv64',
    Maintainer: 'a <a@b>',
    Description: 'test',
    ...control,
  };
  writeFileSync(
    join(root, 'DEBIAN/control'),
    Object.entries(fields)
      .map(([key, value]) => `${key}: ${value}\n`)
      .join(''),
  );
  make(root);
  const path = join(folder, `${name}.deb`);
  const built = spawnSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', root, path]);
  expect(built.status, built.stderr.toString()).toBe(0);
  return path;
}

const fetched = (path: string) => ({
  path,
  name: '',
  version: '',
  architecture: '',
  depends: '',
  sizeBytes: 0,
  sha256: '',
});

describe('the root folder', () => {
  it('follows symbolic links within itself only', async () => {
    const tree = newTree();
    await tree.addDirectory('usr/bin', { ...ROOT_OWNED, permissions: 0o755 });
    await tree.addSymlink('bin', 'usr/bin');
    await tree.addSymlink('abs', '/usr/bin');
    await tree.addSymlink('up', '../../../../etc');
    expect(tree.resolve('bin/sh')).toBe('usr/bin/sh');
    expect(tree.resolve('/abs/../bin/x')).toBe('usr/bin/x');
    expect(tree.resolve('up/passwd')).toBe('etc/passwd');
    expect(tree.resolve('../../outside')).toBe('outside');
    expect(tree.resolve('bin')).toBe('bin');
    await tree.addFile('up/made', 'x');
    expect(readFileSync(join(tree.folder, 'etc/made'), 'utf8')).toBe('x');
  });

  it('refuses circles of links and names that no tool could take', async () => {
    const tree = newTree();
    await tree.addSymlink('a', 'b');
    await tree.addSymlink('b', 'a');
    expect(() => tree.resolve('a/x')).toThrow('too many symbolic links');
    await expect(tree.addFile('new\nline', '')).rejects.toMatchObject({ code: 'damaged' });
    await expect(tree.addHardLink('x', 'missing')).rejects.toMatchObject({ code: 'damaged' });
  });

  it('replaces a link or a file by what comes later', async () => {
    const tree = newTree();
    await tree.addFile('target', 'kept');
    await tree.addSymlink('name', 'target');
    await tree.addFile('name', 'new');
    expect(readFileSync(join(tree.folder, 'target'), 'utf8')).toBe('kept');
    expect(readFileSync(join(tree.folder, 'name'), 'utf8')).toBe('new');
    expect(tree.resolve('name/x')).toBe('name/x');
  });
});

describe.skipIf(!hasDpkg)('unpacking packages (skipped where dpkg-deb is not installed)', () => {
  it('places files, links and control data as dpkg would', async () => {
    const base = buildDeb('base', {}, (root) => {
      mkdirSync(join(root, 'usr/bin'), { recursive: true });
      symlinkSync('usr/bin', join(root, 'bin'));
    });
    const tool = buildDeb('tool', { 'Multi-Arch': 'same' }, (root) => {
      mkdirSync(join(root, 'bin'));
      mkdirSync(join(root, 'etc'));
      writeFileSync(join(root, 'bin/tool'), 'program');
      chmodSync(join(root, 'bin/tool'), 0o4755);
      writeFileSync(join(root, 'etc/tool.conf'), 'setting\n');
      writeFileSync(join(root, 'DEBIAN/conffiles'), '/etc/tool.conf\n');
      writeFileSync(join(root, 'DEBIAN/postinst'), '#!/bin/sh\n');
      chmodSync(join(root, 'DEBIAN/postinst'), 0o755);
      writeFileSync(join(root, 'DEBIAN/triggers'), 'interest-noawait /usr/lib\ninterest named\nactivate other\n');
    });
    const tree = newTree();
    const unpacked = [await unpackPackage(tree, fetched(base)), await unpackPackage(tree, fetched(tool))];
    expect(readFileSync(join(tree.folder, 'usr/bin/tool'), 'utf8')).toBe('program');
    expect(tree.entries.get('usr/bin/tool')).toMatchObject({ permissions: 0o4755, uid: 0, gid: 0 });
    expect(unpacked[1]!.paths).toEqual(['/.', '/bin', '/bin/tool', '/etc', '/etc/tool.conf']);
    await writeDpkgDatabase(tree, unpacked);
    const read = (path: string): string => readFileSync(join(tree.folder, 'var/lib/dpkg', path), 'utf8');
    expect(read('status')).toContain('Package: tool\nStatus: install ok unpacked\nVersion: 1.0\n');
    const digest = createHash('md5').update('setting\n').digest('hex');
    expect(read('status')).toContain(`Conffiles:\n /etc/tool.conf ${digest}\n`);
    expect(read('info/tool:riscv64.list')).toBe('/.\n/bin\n/bin/tool\n/etc\n/etc/tool.conf\n');
    expect(existsSync(join(tree.folder, 'var/lib/dpkg/info/tool:riscv64.postinst'))).toBe(true);
    expect(read('triggers/File')).toBe('/usr/lib tool:riscv64/noawait\n');
    expect(read('triggers/named')).toBe('tool:riscv64\n');
    const listed = spawnSync('dpkg-query', [
      '--admindir',
      join(tree.folder, 'var/lib/dpkg'),
      '-W',
      '-f',
      `\${Package} \${Status}\n`,
    ]);
    expect(listed.stdout.toString()).toBe('base install ok unpacked\ntool install ok unpacked\n');
  });

  it('says that a package is damaged', async () => {
    const path = buildDeb('cut', {}, (root) => writeFileSync(join(root, 'file'), 'x'.repeat(100_000)));
    const whole = readFileSync(path);
    for (const part of [whole.subarray(0, 60_000), whole.subarray(0, 100), Buffer.from('noise')]) {
      writeFileSync(path, part);
      await expect(unpackPackage(newTree(), fetched(path))).rejects.toMatchObject({ code: 'damaged' });
    }
  });
});

describe("dpkg's database", () => {
  it('has a stanza that says unpacked', () => {
    expect(statusStanza('Package: a\nVersion: 1', [])).toBe('Package: a\nStatus: install ok unpacked\nVersion: 1\n');
    expect(statusStanza('Package: a', [' /etc/a 00'])).toBe(
      'Package: a\nStatus: install ok unpacked\nConffiles:\n /etc/a 00\n',
    );
  });

  it('knows the kinds of trigger interest', () => {
    const into: TriggerInterests = { paths: [], named: new Map() };
    noteTriggers(into, 'p', '# comment\ninterest /a\ninterest-await /b\n interest-noawait n\nactivate /c\n');
    expect(into.paths).toEqual(['/a p', '/b p']);
    expect(into.named).toEqual(new Map([['n', ['p/noawait']]]));
  });

  it('is asked for through apt-cache', () => {
    const text =
      'Package: a\nVersion: 1:2-3\nArchitecture: riscv64\nDepends: b (= 1), c\nSize: 42\nSHA256: ff\nDescription: x\n\n\nPackage: b\nSize: 1\n';
    expect(parsePackageRecords(text)).toEqual([
      { name: 'a', version: '1:2-3', architecture: 'riscv64', depends: 'b (= 1), c', sizeBytes: 42, sha256: 'ff' },
      { name: 'b', version: '', architecture: '', depends: '', sizeBytes: 1, sha256: '' },
    ]);
  });
});

describe('the file system image', () => {
  it('gives owners to what the host could not', () => {
    const tree = {
      entries: new Map([
        ['plain', { ...ROOT_OWNED, type: 'file' as const }],
        ['setuid', { ...ROOT_OWNED, type: 'file' as const, permissions: 0o4755, gid: 42 }],
        ['closed', { ...ROOT_OWNED, type: 'directory' as const, permissions: 0o700 }],
        ['link', { ...ROOT_OWNED, type: 'symlink' as const, permissions: 0o777 }],
      ]),
    };
    expect(ownerCommands(tree, 0, 0)).toEqual([
      'set_inode_field "/setuid" gid 42',
      'set_inode_field "/setuid" mode 0104755',
      'set_inode_field "/closed" mode 040700',
    ]);
    expect(ownerCommands(tree, 1000, 1000).filter((line) => line.includes('link'))).toEqual([
      'set_inode_field "/link" uid 0',
      'set_inode_field "/link" gid 0',
    ]);
  });

  it.skipIf(!hasE2fs)('is a sound ext4 with those owners (skipped where e2fsprogs is not installed)', async () => {
    const tree = newTree();
    await tree.addFile('a name/with dots in it', 'hello', { permissions: 0o2640, uid: 1234, gid: 70_000 });
    await tree.addDirectory('tmp', { ...ROOT_OWNED, permissions: 0o1777 });
    await tree.addSymlink('link', 'nowhere', { uid: 7 });
    const image = join(folder, 'image.raw');
    await makeExt4Image(tree, image, 32 * 1024 ** 2);
    const e2fsck = spawnSync('e2fsck', ['-fn', image], { env: SBIN });
    expect(e2fsck.status, e2fsck.stdout.toString()).toBe(0);
    const stat = (path: string): string =>
      spawnSync('debugfs', ['-R', `stat "${path}"`, image], { env: SBIN })
        .stdout.toString()
        .replace(/\s+/g, ' ');
    expect(stat('/a name/with dots in it')).toMatch(/Mode: 02640 .* User: 1234 Group: 70000 /);
    expect(stat('/tmp')).toMatch(/Mode: 01777 .* User: 0 Group: 0 /);
    expect(stat('/link')).toMatch(/Type: symlink .* User: 7 Group: 0 /);
    expect(stat('/')).toMatch(/User: 0 Group: 0 /);
    const extents = await usedExtents(image);
    const used = extents.reduce((sum, { start, end }) => sum + end - start, 0);
    expect(extents[0]!.start).toBe(0);
    expect(used).toBeLessThan(16 * 1024 ** 2);
    // Nothing outside the used parts holds anything.
    const bytes = readFileSync(image);
    for (const { start, end } of extents) bytes.fill(0, start, end);
    expect(nonZeroRuns(bytes)).toEqual([]);
  });

  it('finds what is used between free blocks', () => {
    const text = `Filesystem features:      has_journal extent
Block count:              100
Free blocks:              20
Block size:               1024
Group 0:
  Free blocks: 10-19, 30
Group 1:
  Free blocks: 
Group 2:
  Free blocks: 90-99
`;
    expect(parseUsedExtents(text)).toEqual([
      { start: 0, end: 10 * 1024 },
      { start: 20 * 1024, end: 30 * 1024 },
      { start: 31 * 1024, end: 90 * 1024 },
    ]);
    expect(() => parseUsedExtents(text.replace('has_journal', 'has_journal needs_recovery'))).toThrow('put away');
    expect(() => parseUsedExtents('')).toThrow('dumpe2fs');
  });

  it('copies whole clusters, and no zeros', () => {
    expect(
      wholeClusters(
        [
          { start: 1, end: 2 },
          { start: 70_000, end: 80_000 },
          { start: 500_000, end: 500_001 },
        ],
        500_100,
      ),
    ).toEqual([
      { start: 0, end: 131_072 },
      { start: 458_752, end: 500_100 },
    ]);
    const chunk = new Uint8Array(5 * 65_536 + 10);
    chunk[65_536] = 1;
    chunk[3 * 65_536 - 1] = 1;
    chunk[chunk.length - 1] = 1;
    expect(nonZeroRuns(chunk)).toEqual([
      { start: 65_536, end: 3 * 65_536 },
      { start: 5 * 65_536, end: 5 * 65_536 + 10 },
    ]);
  });
});
