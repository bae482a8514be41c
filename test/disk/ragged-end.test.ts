/** Raw images that do not end with a sector, beside QEMU. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemoryByteFile, RawDisk } from '../../src/backend/disk/index.ts';
import { commitDisk } from '../../src/backend/disk/live/commit.ts';
import { LiveDisk } from '../../src/backend/disk/live/live-disk.ts';
import { createDisk, machineSizeOf, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { MachineDisks } from '../../src/service/disk/machine-disks.ts';
import * as qemu from './support/qemu-img.ts';
import { Random } from './support/random.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SECTOR = 512;
const SIZES = [1, 300, 511, 513, 65_537, 1_000_001];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-ragged-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function rounded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / SECTOR) * SECTOR;
}

function padded(content: Uint8Array, sizeBytes = rounded(content.length)): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(content);
  return bytes;
}

function makeRaw(name: string, sizeBytes: number): { path: string; content: Uint8Array } {
  const path = join(folder, name);
  const content = new Random(sizeBytes).bytes(sizeBytes).map((value) => value | 1);
  writeFileSync(path, content);
  return { path, content };
}

async function contentOf(disk: { sizeBytes: number; read(offset: number, into: Uint8Array): Promise<void> }) {
  const bytes = new Uint8Array(disk.sizeBytes);
  await disk.read(0, bytes);
  return bytes;
}

/** Without the time that a comparison takes which shows what differs. */
function expectSame(found: Uint8Array, expected: Uint8Array): void {
  expect(found.length).toBe(expected.length);
  expect(Buffer.compare(found, expected)).toBe(0);
}

describe.each(SIZES)('a raw image of %i bytes', (sizeBytes) => {
  const size = rounded(sizeBytes);
  const last = size - SECTOR;

  test('has its last bytes, and zeros up to the end of the sector', async () => {
    const { path, content } = makeRaw('a.raw', sizeBytes);
    const disks = await MachineDisks.open({ disks: [{ path, format: 'raw', readonly: false, serial: '' }] });
    disks.connect({ memory: () => new Uint8Array(0), complete: () => {}, failed: () => {} });
    expect(disks.descriptions[0]!.sizeBytes).toBe(size);
    await disks.close();
    const disk = await LiveDisk.open(path, { format: 'raw', readonly: true });
    expectSame(await contentOf(disk), padded(content));
    await expect(disk.read(last, new Uint8Array(SECTOR + 1))).rejects.toMatchObject({ code: 'usage' });
    await disk.close();
    expect(readFileSync(path).length).toBe(sizeBytes);
  });

  test.skipIf(!qemu.hasQemuImg)('grows by what is written to its last sector, as with QEMU', async () => {
    const { path } = makeRaw('a.raw', sizeBytes);
    const other = join(folder, 'b.raw');
    copyFileSync(path, other);
    const info = JSON.parse(qemu.qemuImg('info', '-f', 'raw', '--output=json', path));
    expect(info['virtual-size']).toBe(size);
    execFileSync('qemu-io', ['-f', 'raw', '-c', `write -P 0xab ${last} ${SECTOR}`, '-c', 'flush', other]);
    const disk = await LiveDisk.open(path, { format: 'raw' });
    await disk.write(last, new Uint8Array(SECTOR).fill(0xab));
    await disk.flush();
    await disk.close();
    expect(readFileSync(path).equals(readFileSync(other))).toBe(true);
  });

  test.each(['zeroes', 'unmap', 'discard'])('takes %s at its end', async (kind) => {
    const { path, content } = makeRaw('a.raw', sizeBytes);
    const disk = await LiveDisk.open(path, { format: 'raw' });
    if (kind === 'discard') await disk.discard(last, SECTOR);
    else await disk.writeZeroes(last, SECTOR, kind === 'unmap');
    await disk.flush();
    const found = await contentOf(disk);
    await disk.close();
    if (kind === 'discard') return expectSame(found.subarray(0, last), content.subarray(0, last));
    expectSame(found, padded(content.subarray(0, last), size));
  });

  test('loses nothing where the host gives space back', async () => {
    const file = new MemoryByteFile('memory.raw');
    await file.write(0, new Uint8Array(sizeBytes).fill(7));
    const disk = await RawDisk.open(file);
    await disk.discard(last, SECTOR);
    await disk.writeZeroes(last, SECTOR, true);
    await disk.write(last, new Uint8Array(SECTOR).fill(9));
    const found = new Uint8Array(size);
    await disk.read(0, found);
    expectSame(found, new Uint8Array(size).fill(7).fill(9, last));
    await disk.close();
  });

  test.skipIf(!qemu.hasQemuImg)('lies under qcow2 images as under those of QEMU', async () => {
    const { path, content } = makeRaw('base.raw', sizeBytes);
    const [ours, theirs] = [join(folder, 'ours.qcow2'), join(folder, 'theirs.qcow2')];
    await createDisk(ours, { backing: { path, format: 'raw' } });
    qemu.qemuImg('create', '-q', '-f', 'qcow2', '-b', path, '-F', 'raw', theirs);
    for (const image of [ours, theirs]) {
      const disk = await LiveDisk.open(image, { format: 'qcow2' });
      expect(disk.sizeBytes).toBe(size);
      expectSame(await contentOf(disk), padded(content));
      await disk.write(last, new Uint8Array(SECTOR).fill(0xcd));
      await disk.writeZeroes(last, SECTOR / 2, true);
      await disk.flush();
      await disk.close();
      qemu.expectClean(image);
      const model = padded(content.subarray(0, last), size).fill(0xcd, last + SECTOR / 2);
      expectSame(qemu.contentOf(image), model);
    }
    expect(readFileSync(path).length).toBe(sizeBytes);
    const before = qemu.contentOf(ours);
    await commitDisk(ours);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test.each(['keep', 'copy'] as const)('goes through checkpoints that %s it', async (parent) => {
    const { path, content } = makeRaw('a.raw', sizeBytes);
    const disk = await LiveDisk.open(path, { format: 'raw' });
    const prepared = await disk.prepareOverlay({ parent });
    const frozen = await prepared.switch();
    expect(frozen.sizeBytes).toBe(size);
    await disk.write(last, new Uint8Array(SECTOR).fill(0xab));
    const copy = join(folder, 'copy.qcow2');
    await frozen.copyTo(copy);
    await (parent === 'keep' ? frozen.keep() : frozen.commit());
    const expected = padded(content).fill(0xab, last);
    expectSame(await contentOf(disk), expected);
    await disk.close();
    const copied = await openDisk(copy, { readonly: true });
    expectSame(await contentOf(copied), padded(content));
    await copied.close();
    const reopened = await LiveDisk.open(path);
    expectSame(await contentOf(reopened), expected);
    await reopened.close();
  });
});

test('what is larger than the image under it makes that grow, or is refused in words', async () => {
  const { path: raw } = makeRaw('base.raw', 70_000);
  const overRaw = join(folder, 'over-raw.qcow2');
  await createDisk(overRaw, { sizeBytes: 200_704, backing: { path: raw, format: 'raw' } });
  const qcow2 = join(folder, 'base.qcow2');
  await createDisk(qcow2, { sizeBytes: 70_144 });
  const overQcow2 = join(folder, 'over-qcow2.qcow2');
  await createDisk(overQcow2, { sizeBytes: 200_704, backing: { path: qcow2, format: 'qcow2' } });
  for (const path of [overRaw, overQcow2]) {
    const disk = await openDisk(path);
    await disk.write(1024, new Uint8Array(1024).fill(1));
    await disk.write(200_192, new Uint8Array(512).fill(2));
    await disk.close();
  }
  await commitDisk(overRaw);
  const grown = readFileSync(raw);
  expect(grown.length).toBe(200_704);
  expect(grown.subarray(1024, 2048).every((value) => value === 1)).toBe(true);
  expect(grown.subarray(200_192).every((value) => value === 2)).toBe(true);
  await expect(commitDisk(overQcow2)).rejects.toMatchObject({
    code: 'unsupported',
    hint: expect.stringContaining('qemu-img resize'),
  });
  const under = await openDisk(qcow2, { readonly: true });
  expect(machineSizeOf(under)).toBe(70_144);
  expect((await contentOf(under)).every((value) => value === 0)).toBe(true);
  await under.close();
});
