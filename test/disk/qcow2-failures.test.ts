import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createQcow2, type Disk, MemoryByteFile, Qcow2Disk } from '../../src/backend/disk/index.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { expectContent } from './support/model.ts';
import * as qemu from './support/qemu-img.ts';
import { Random, seedFactor } from './support/random.ts';

vi.setConfig({ testTimeout: 60_000 * seedFactor, hookTimeout: 60_000 });

const SIZE = 2 ** 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-failures-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A file on a host whose disk is full now and then, and fails to read now and then. */
class FailingFile extends MemoryByteFile {
  random: Random | undefined;
  syncFails = false;

  override async read(offset: number, into: Uint8Array): Promise<void> {
    if (this.random?.chance(3)) throw new GodwitError('io', 'The read failed.');
    await super.read(offset, into);
  }

  override async write(offset: number, data: Uint8Array): Promise<void> {
    if (this.random?.chance(10)) {
      await super.write(offset, data.subarray(0, this.random.below(data.length)));
      throw new GodwitError('full', 'No space is left.');
    }
    await super.write(offset, data);
  }

  override async truncate(sizeBytes: number): Promise<void> {
    if (this.random?.chance(10)) throw new GodwitError('full', 'No space is left.');
    await super.truncate(sizeBytes);
  }

  override async sync(): Promise<void> {
    if (this.syncFails) throw new GodwitError('io', 'The sync failed.');
    await super.sync();
  }
}

async function bytesOf(file: MemoryByteFile): Promise<Uint8Array> {
  const handle = file.reopen();
  const bytes = new Uint8Array(await handle.size());
  await handle.read(0, bytes);
  return bytes;
}

/** One request; when it fails, what the range holds now is taken over, once it can be read. */
async function attempt(disk: Disk, model: Uint8Array, random: Random, file: FailingFile): Promise<void> {
  const offset = random.below(SIZE);
  const length = Math.min(SIZE - offset, 1 + random.below(40_000));
  const place = model.subarray(offset, offset + length);
  const data = random.bytes(length);
  const kind = random.pick(['write', 'write', 'zero', 'discard', 'flush'] as const);
  try {
    if (kind === 'write') await disk.write(offset, data);
    else if (kind === 'zero') await disk.writeZeroes(offset, length, random.chance(50));
    else if (kind === 'discard') await disk.discard(offset, length);
    else return await disk.flush();
    if (kind === 'write') place.set(data);
    else if (kind === 'zero') place.fill(0);
    else await readBack(disk, offset, place, file);
  } catch (error) {
    expect(error).toMatchObject({ name: 'GodwitError', code: expect.stringMatching(/^(full|io)$/) });
    if (kind !== 'flush') await readBack(disk, offset, place, file);
  }
}

async function readBack(disk: Disk, offset: number, place: Uint8Array, file: FailingFile): Promise<void> {
  const { random } = file;
  file.random = undefined;
  await disk.read(offset, place);
  file.random = random;
}

describe('failures of the host', () => {
  test.each([9, 12, 16])(
    'cost nothing but the requests that failed, clusters of 2^%i bytes',
    async (clusterBits) => {
      for (let seed = 1; seed <= 12 * seedFactor; seed++) {
        const random = new Random(seed);
        const file = new FailingFile('failing.qcow2');
        await createQcow2(file, { sizeBytes: SIZE, clusterBits });
        const disk = await Qcow2Disk.open(file, { tableCacheBytes: 4096 });
        const model = new Uint8Array(SIZE);
        file.random = random;
        for (let count = 0; count < 60; count++) await attempt(disk, model, random, file);
        file.random = undefined;
        await expectContent(disk, model);
        await disk.close();
        if (!qemu.hasQemuImg) continue;
        const path = join(folder, 'after.qcow2');
        writeFileSync(path, await bytesOf(file));
        expect(qemu.check(path), `seed ${seed}`).toEqual({ corruptions: 0, leaks: 0 });
        qemu.expectSameAs(path, model);
      }
    },
    60_000 * seedFactor,
  );

  test('a failed sync ends all writing, and the image is closed nonetheless', async () => {
    const file = new FailingFile('failing.qcow2');
    await createQcow2(file, { sizeBytes: SIZE });
    const disk = await Qcow2Disk.open(file);
    await disk.write(0, new Uint8Array(100).fill(1));
    file.syncFails = true;
    await expect(disk.flush()).rejects.toMatchObject({ code: 'io' });
    file.syncFails = false;
    await expect(disk.flush()).rejects.toMatchObject({ code: 'io' });
    await expect(disk.write(500_000, new Uint8Array(1))).rejects.toMatchObject({ code: 'io' });
    const found = new Uint8Array(100);
    await disk.read(0, found);
    expect(found[0]).toBe(1);
    await expect(disk.close()).rejects.toMatchObject({ code: 'io' });
    await expect(file.size()).rejects.toMatchObject({ code: 'state' });
    const reopened = await Qcow2Disk.open(file.reopen());
    await expectContent(reopened, new Uint8Array(SIZE));
    await reopened.close();
  });
});

describe.skipIf(!qemu.hasQemuImg)(`damaged compressed clusters${qemu.noQemuImg}`, () => {
  test.each(['zlib', 'zstd'])('%s: an error or other bytes, and nothing worse', async (compression) => {
    const raw = join(folder, 'raw');
    const path = join(folder, 'compressed.qcow2');
    qemu.writeRaw(raw, new Random(5).bytes(SIZE));
    qemu.qemuImg('convert', '-c', '-O', 'qcow2', '-o', `compression_type=${compression}`, raw, path);
    const image = new Uint8Array(readFileSync(path));
    let failures = 0;
    for (let seed = 1; seed <= 60 * seedFactor; seed++) {
      const random = new Random(seed);
      const damaged = image.slice();
      // The clusters' data begins behind the header and the first tables.
      for (let change = 0; change < 20; change++) {
        const at = 4 * 65536 + random.below(Math.max(1, damaged.length - 4 * 65536));
        if (at < damaged.length) damaged[at] = random.below(256);
      }
      const file = new MemoryByteFile('damaged.qcow2');
      await file.write(0, damaged);
      const disk = await Qcow2Disk.open(file, { readonly: true });
      for (let at = 0; at < SIZE; at += 65536) {
        await disk.read(at, new Uint8Array(65536)).catch((error: unknown) => {
          expect(error).toMatchObject({ name: 'GodwitError', code: 'damaged' });
          failures += 1;
        });
      }
      await disk.close();
    }
    expect(failures).toBeGreaterThan(10);
  });
});
