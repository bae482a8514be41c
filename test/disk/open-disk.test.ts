import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { hostError } from '../../src/platform/node/host-error.ts';
import { expectContent } from './support/model.ts';
import * as qemu from './support/qemu-img.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SIZE = 2 ** 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-open-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);

async function fails(code: string, attempt: Promise<unknown>, words: string): Promise<void> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'GodwitError', code });
  expect(`${(error as Error).message}`).toContain(words);
}

describe('openDisk', () => {
  test('tells raw from qcow2 by the content, unless the format is named', async () => {
    await createDisk(at('a.qcow2'), { sizeBytes: SIZE });
    writeFileSync(at('a.raw'), new Uint8Array(3000).fill(1));
    const qcow2 = await openDisk(at('a.qcow2'));
    expect([qcow2.format, qcow2.sizeBytes]).toEqual(['qcow2', SIZE]);
    await qcow2.close();
    const raw = await openDisk(at('a.raw'));
    expect([raw.format, raw.sizeBytes]).toEqual(['raw', 3000]);
    await raw.close();
    const asRaw = await openDisk(at('a.qcow2'), { format: 'raw', readonly: true });
    expect([asRaw.format, asRaw.sizeBytes]).toEqual(['raw', statSync(at('a.qcow2')).size]);
    await asRaw.close();
    await fails('damaged', openDisk(at('a.raw'), { format: 'qcow2' }), 'does not begin like a qcow2 image');
  });

  test('a guest cannot turn a disk of guessed format into another format', async () => {
    writeFileSync(at('guess.raw'), new Uint8Array(4096));
    const magic = new Uint8Array([0x51, 0x46, 0x49, 0xfb]);
    const guessed = await openDisk(at('guess.raw'));
    await guessed.write(0, magic.subarray(0, 2));
    await fails('denied', guessed.write(2, magic.subarray(2)), 'turn the disk');
    await guessed.close();
    const named = await openDisk(at('guess.raw'), { format: 'raw' });
    await named.write(0, magic);
    await named.close();
  });

  test('refuses writes when opened for reading', async () => {
    await createDisk(at('readonly.qcow2'), { sizeBytes: SIZE });
    const before = readFileSync(at('readonly.qcow2'));
    const disk = await openDisk(at('readonly.qcow2'), { readonly: true });
    expect(disk.readonly).toBe(true);
    await fails('denied', disk.write(0, new Uint8Array(1)), 'reading only');
    await fails('denied', disk.discard(0, 1), 'reading only');
    await fails('denied', disk.writeZeroes(0, 1, true), 'reading only');
    await disk.flush();
    await disk.close();
    expect(readFileSync(at('readonly.qcow2')).equals(before)).toBe(true);
  });

  test('finds backing files by the folder of the overlay, and shares them', async () => {
    mkdirSync(at('sub'));
    mkdirSync(at('other'));
    await createDisk(at('sub/base'), { sizeBytes: SIZE });
    const base = await openDisk(at('sub/base'));
    await base.write(5000, new Uint8Array(100).fill(3));
    await base.close();
    await createDisk(at('other/one'), { backing: { path: '../sub/base' } });
    await createDisk(at('other/two'), { backing: { path: at('sub/base'), format: 'qcow2' }, sizeBytes: SIZE / 2 });
    const one = await openDisk(at('other/one'));
    const two = await openDisk(at('other/two'));
    await one.write(0, new Uint8Array(4096).fill(1));
    await two.write(0, new Uint8Array(4096).fill(2));
    await fails('locked', openDisk(at('sub/base')), 'in use');
    for (const [disk, value] of [
      [one, 1],
      [two, 2],
    ] as const) {
      const model = new Uint8Array(disk.sizeBytes).fill(3, 5000, 5100).fill(value, 0, 4096);
      await expectContent(disk, model);
      await disk.close();
    }
    await (await openDisk(at('sub/base'))).close();
  });

  test('says what is missing, and leaves nothing locked', async () => {
    await fails('not-found', openDisk(at('absent')), 'does not exist');
    await createDisk(at('gone-base'), { sizeBytes: SIZE });
    await createDisk(at('orphan'), { backing: { path: 'gone-base' } });
    rmSync(at('gone-base'));
    await fails('not-found', openDisk(at('orphan')), 'gone-base');
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('sees a chain that comes back to itself, and one that is too long', async () => {
    await createDisk(at('ring-0'), { sizeBytes: SIZE });
    for (let index = 1; index < 4; index++) {
      await createDisk(at(`ring-${index}`), { backing: { path: `ring-${index - 1}` } });
    }
    const header = readFileSync(at('ring-3'));
    // All names are equally long, so one header fits another.
    writeFileSync(at('ring-1'), Buffer.from(header.toString('latin1').replace('ring-2', 'ring-3'), 'latin1'));
    await fails('damaged', openDisk(at('ring-3')), 'on itself');
    await createDisk(at('long-000'), { sizeBytes: 4096 });
    const template = readFileSync(at('ring-2')).toString('latin1');
    for (let index = 1; index < 80; index++) {
      const below = `long-${String(index - 1).padStart(3, '0')}`;
      const image = Buffer.from(template.replace('ring-1\0\0', below), 'latin1');
      image.writeUInt32BE(below.length, 16);
      writeFileSync(at(`long-${String(index).padStart(3, '0')}`), image);
    }
    await (await openDisk(at('long-060'))).close();
    await fails('limit', openDisk(at('long-079')), 'longer than');
  });

  test('names what it does not read', async () => {
    writeFileSync(at('foreign.vmdk'), 'KDMV and more');
    await fails('unsupported', openDisk(at('foreign.vmdk')), 'VMDK');
    await fails('usage', openDisk(folder), 'not a regular file');
    await fails('usage', openDisk('/dev/null'), 'not a regular file');
  });
});

describe('createDisk', () => {
  test('never takes the place of a file', async () => {
    writeFileSync(at('precious'), 'data');
    await fails('usage', createDisk(at('precious'), { sizeBytes: SIZE }), 'exists already');
    expect(readFileSync(at('precious'), 'utf8')).toBe('data');
    expect(readdirSync(folder).filter((name) => name.endsWith('.draft'))).toEqual([]);
  });

  test('makes nothing when what is asked for makes no sense', async () => {
    const cases: [Parameters<typeof createDisk>[1], string, string][] = [
      [{}, 'usage', 'size or a backing file'],
      [{ sizeBytes: -1 }, 'usage', '-1 bytes'],
      [{ sizeBytes: 1.5 }, 'usage', '1.5 bytes'],
      [{ sizeBytes: SIZE, clusterBits: 8 }, 'usage', '2^8'],
      [{ sizeBytes: SIZE, clusterBits: 22 }, 'usage', '2^22'],
      [{ sizeBytes: 2 ** 50, clusterBits: 9 }, 'usage', 'larger than 512'],
      [{ sizeBytes: SIZE, format: 'raw', clusterBits: 16 }, 'usage', 'raw disk'],
      [{ backing: { path: 'absent-base' } }, 'not-found', 'absent-base'],
      [{ backing: { path: 'nbd://host/disk' } }, 'unsupported', 'files only'],
    ];
    for (const [options, code, words] of cases) {
      await fails(code, createDisk(at('never'), options), words);
      expect(existsSync(at('never'))).toBe(false);
    }
    await createDisk(at('base-with-long-name'), { sizeBytes: SIZE });
    const path = `${folder}/${'./'.repeat(300)}base-with-long-name`;
    await fails('usage', createDisk(at('never'), { backing: { path }, clusterBits: 9 }), 'must have 1 to');
    await fails('not-found', createDisk(join(folder, 'no', 'folder', 'x'), { sizeBytes: 1 }), 'does not exist');
  });

  test.skipIf(!qemu.hasQemuImg)(`sizes that are not whole sectors or clusters${qemu.noQemuImg}`, async () => {
    for (const [index, sizeBytes] of [0, 512, 65536, 65537 * 512, 2 ** 46].entries()) {
      await createDisk(at(`size-${index}`), { sizeBytes });
      qemu.expectClean(at(`size-${index}`));
      expect(JSON.parse(qemu.qemuImg('info', '--output=json', at(`size-${index}`)))['virtual-size']).toBe(sizeBytes);
    }
  });
});

describe.skipIf(!qemu.hasQemuImg)(`images that are not supported or marked${qemu.noQemuImg}`, () => {
  function make(options: string): string {
    const path = at(`feature-${options.replaceAll(/[^a-z0-9]/g, '-')}`);
    qemu.qemuImg('create', '-q', '-f', 'qcow2', '-o', options, path, '1M');
    return path;
  }

  /** Changes one byte of the incompatible features. */
  function setFeature(path: string, bit: number): void {
    const bytes = readFileSync(path);
    const byte = 79 - Math.floor(bit / 8);
    bytes[byte] = bytes[byte]! | (1 << (bit % 8));
    writeFileSync(path, bytes);
  }

  test('are named in the error', async () => {
    await fails('unsupported', openDisk(make('extended_l2=on,cluster_size=64k')), 'extended L2');
    await fails('unsupported', openDisk(make(`data_file=${at('external')}`)), 'external data file');
    const encrypted = make('cluster_size=2k');
    const header = readFileSync(encrypted);
    header.writeUInt32BE(2, 32); // LUKS
    writeFileSync(encrypted, header);
    await fails('unsupported', openDisk(encrypted), 'encryption');
    const unknown = make('cluster_size=4k');
    setFeature(unknown, 40);
    await fails('unsupported', openDisk(unknown), 'feature bit 40');
    const named = make('cluster_size=8k');
    const bytes = readFileSync(named);
    // The first entry of the feature name table, whose bit becomes one that is not known.
    const entry = bytes.indexOf('dirty bit') - 2;
    bytes[entry + 1] = 9;
    bytes.write('time travel\0', entry + 2);
    writeFileSync(named, bytes);
    setFeature(named, 9);
    await fails('unsupported', openDisk(named), 'time travel');
  });

  test('marked as corrupt: only read', async () => {
    const path = make('cluster_size=16k');
    setFeature(path, 1);
    await fails('damaged', openDisk(path), 'marked as corrupt');
    const disk = await openDisk(path, { readonly: true });
    await expectContent(disk, new Uint8Array(SIZE));
    await disk.close();
  });

  test('backing files of other formats and protocols', async () => {
    const path = make('cluster_size=32k');
    const overlay = at('foreign-overlay');
    qemu.qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', path, '-F', 'vmdk', overlay, '1M');
    await fails('unsupported', openDisk(overlay), 'vmdk');
    for (const name of ['nbd://localhost/x', 'json:{"driver":"raw"}']) {
      qemu.qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', name, '-F', 'raw', overlay, '1M');
      await fails('unsupported', openDisk(overlay), 'files only');
    }
  });
});

test('failures of the host say what they are', () => {
  const codeOf = (code: string): string => hostError(Object.assign(new Error('raw'), { code }), 'write to x').code;
  expect(codeOf('ENOSPC')).toBe('full');
  expect(codeOf('EDQUOT')).toBe('full');
  expect(codeOf('EACCES')).toBe('denied');
  expect(codeOf('EROFS')).toBe('denied');
  expect(codeOf('ENOENT')).toBe('not-found');
  expect(codeOf('EMFILE')).toBe('limit');
  expect(codeOf('EIO')).toBe('io');
  expect(hostError('odd', 'write to x').message).toBe('Cannot write to x: odd.');
});
