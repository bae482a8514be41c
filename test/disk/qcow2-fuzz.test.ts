import { describe, expect, test, vi } from 'vitest';
import { createQcow2, MemoryByteFile, MemoryDisk, Qcow2Disk } from '../../src/backend/disk/index.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { Random, seedFactor } from './support/random.ts';

vi.setConfig({ testTimeout: 60_000 * seedFactor, hookTimeout: 60_000 });

const SIZE = 2 ** 20;
/** More host memory than a small image can ever need. */
const MAX_FILE_BYTES = 2 ** 34;

/** A file that refuses to grow without bounds, which a damaged image must not make us do. */
class BoundedFile extends MemoryByteFile {
  override async read(offset: number, into: Uint8Array): Promise<void> {
    expect(into.length).toBeLessThanOrEqual(64 * 2 ** 20);
    await super.read(offset, into);
  }

  override async write(offset: number, data: Uint8Array): Promise<void> {
    expect(offset + data.length).toBeLessThan(MAX_FILE_BYTES);
    await super.write(offset, data);
  }
}

async function fileOf(bytes: Uint8Array): Promise<BoundedFile> {
  const file = new BoundedFile('fuzzed.qcow2');
  await file.write(0, bytes);
  return file;
}

/** An image with something of everything that we can make. */
async function sampleImage(clusterBits: number, withBacking: boolean): Promise<Uint8Array> {
  const file = new MemoryByteFile('sample.qcow2');
  const backing = withBacking ? { backing: { path: 'base.qcow2', format: 'qcow2' as const } } : {};
  await createQcow2(file, { sizeBytes: SIZE, clusterBits, ...backing });
  const handle = file.reopen();
  const disk = await Qcow2Disk.open(handle, { openBacking: async () => new MemoryDisk(SIZE) });
  await disk.write(0, new Random(1).bytes(SIZE / 2));
  await disk.writeZeroes(SIZE / 8, SIZE / 8, true);
  await disk.writeZeroes(SIZE / 4, SIZE / 16, false);
  await disk.discard(0, SIZE / 16);
  await disk.close();
  const bytes = new Uint8Array(await file.size());
  await file.read(0, bytes);
  return bytes;
}

/** Does all that a machine may do, and lets only GodwitErrors by. True when the image opened. */
async function exercise(bytes: Uint8Array, readonly: boolean, random: Random): Promise<boolean> {
  let disk: Qcow2Disk;
  try {
    disk = await Qcow2Disk.open(await fileOf(bytes), { readonly, openBacking: async () => new MemoryDisk(SIZE / 2) });
  } catch (error) {
    expectOurs(error);
    return false;
  }
  const step = Math.min(disk.sizeBytes, SIZE);
  const calls = [
    () => disk.read(0, new Uint8Array(step)),
    () => disk.read(disk.sizeBytes - Math.min(step, 4096), new Uint8Array(Math.min(step, 4096))),
    () => disk.write(random.below(Math.max(1, step / 2)), new Uint8Array(step / 2).fill(1)),
    () => disk.writeZeroes(0, Math.floor(step / 2), random.chance(50)),
    () => disk.discard(0, step),
    () => disk.write(0, new Uint8Array(step).fill(2)),
    () => disk.flush(),
  ];
  for (const call of calls) await call().catch(expectOurs);
  await disk.close().catch(expectOurs);
  return true;
}

function expectOurs(error: unknown): void {
  if (error instanceof GodwitError && error.code !== 'usage') return;
  if (error instanceof GodwitError && error.message.includes('makes no sense')) return;
  throw error;
}

/** Places where a wrong byte means most: the header, and where the tables of the sample are. */
function damage(bytes: Uint8Array, random: Random, clusterBytes: number): Uint8Array {
  const damaged = bytes.slice();
  const view = new DataView(damaged.buffer);
  for (let change = 1 + random.below(4); change > 0; change--) {
    const table = random.below(8) * clusterBytes;
    const at = random.pick([
      random.below(112),
      4 + random.below(27) * 4,
      table + random.below(clusterBytes),
      table + random.below(64) * 8,
      random.below(damaged.length),
    ]);
    if (at + 8 > damaged.length) continue;
    const mode = random.below(5);
    if (mode === 0) damaged[at] = damaged[at]! ^ (1 << random.below(8));
    else if (mode === 1) damaged[at] = random.below(256);
    else if (mode === 2)
      view.setUint32(at, random.pick([0, 1, 0x7fffffff, 0xffffffff, 0x80000000, random.below(2 ** 32)]));
    // A place in the file, or just past it, where it may lie over something else.
    else if (mode === 3)
      view.setBigUint64(at, BigInt(random.below(20) * clusterBytes) | (BigInt(random.below(4)) << 62n));
    else view.setBigUint64(at, 0xffff_ffff_ffff_ffffn >> BigInt(random.below(64)));
  }
  return random.chance(10) ? damaged.slice(0, random.below(damaged.length)) : damaged;
}

describe('damaged qcow2 images give clear errors', () => {
  test.each([
    [9, false, 400],
    [12, true, 400],
    [16, false, 150],
  ])(
    'clusters of 2^%i bytes, backing %s',
    async (clusterBits, withBacking, cases) => {
      const sample = await sampleImage(clusterBits, withBacking);
      const _opened = 0;
      for (let seed = 1; seed <= cases * seedFactor; seed++) {
        const random = new Random(seed);
        const damaged = damage(sample, random, 2 ** clusterBits);
        await exercise(damaged, random.chance(30), random).catch((error: unknown) => {
          throw new Error(`seed ${seed}: ${error}`, { cause: error });
        });
      }
    },
    60_000 * seedFactor,
  );

  test(
    'random bytes after the magic',
    async () => {
      for (let seed = 1; seed <= 200 * seedFactor; seed++) {
        const random = new Random(seed);
        const bytes = random.bytes(1024 + random.below(4096));
        bytes.set([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 2 + random.below(2)]);
        if (random.chance(80)) bytes.set([0, 0, 0, 9 + random.below(13)], 20);
        await exercise(bytes, random.chance(50), random).catch((error: unknown) => {
          throw new Error(`seed ${seed}: ${error}`, { cause: error });
        });
      }
    },
    60_000 * seedFactor,
  );
});
