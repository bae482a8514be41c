import { describe, expect, test } from 'vitest';
import type { Disk } from '../../src/backend/disk/disk.ts';
import {
  BorrowedDisk,
  CommittingDisk,
  copyDisk,
  createQcow2,
  MemoryByteFile,
  MemoryDisk,
  Qcow2Disk,
  SwitchableDisk,
} from '../../src/backend/disk/index.ts';
import { expectContent, runWorkload } from './support/model.ts';
import { Random, seedFactor } from './support/random.ts';

const SIZE = 3_000_003;

/** Calls end in any order, and can be made to fail. */
class SlowDisk implements Disk {
  readonly format: Disk['format'];
  readonly sizeBytes: number;
  readonly readonly = false;
  readonly calls: string[] = [];
  readonly disk: Disk;
  failsOn: string | undefined;
  readonly #random: Random;
  readonly #name: string;

  constructor(name: string, disk: Disk, random: Random) {
    this.#name = name;
    this.format = disk.format;
    this.sizeBytes = disk.sizeBytes;
    this.disk = disk;
    this.#random = random;
  }

  async #call<T>(kind: string, offset: number, call: () => Promise<T>): Promise<T> {
    this.calls.push(`${this.#name} ${kind} ${offset}`);
    await this.#wait();
    if (this.failsOn === kind) throw new Error(`${kind} fails`);
    const result = await call();
    await this.#wait();
    this.calls.push(`${this.#name} ${kind} ${offset} done`);
    return result;
  }

  async #wait(): Promise<void> {
    for (let turns = this.#random.below(3); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#call('read', offset, () => this.disk.read(offset, into));
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return this.#call('write', offset, () => this.disk.write(offset, data));
  }

  flush(): Promise<void> {
    return this.#call('flush', 0, () => this.disk.flush());
  }

  discard(offset: number, length: number): Promise<void> {
    return this.#call('discard', offset, () => this.disk.discard(offset, length));
  }

  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    return this.#call('zero', offset, () => this.disk.writeZeroes(offset, length, unmap));
  }

  async close(): Promise<void> {
    await this.disk.close();
  }
}

async function overlayOn(parent: Disk, clusterBits: number): Promise<Qcow2Disk> {
  const file = new MemoryByteFile('overlay.qcow2');
  await createQcow2(file, { sizeBytes: parent.sizeBytes, clusterBits, backing: { path: 'parent', format: 'qcow2' } });
  return await Qcow2Disk.open(file, { openBacking: async () => new BorrowedDisk(parent) });
}

async function emptyQcow2(sizeBytes: number, clusterBits: number): Promise<Qcow2Disk> {
  const file = new MemoryByteFile('parent.qcow2');
  await createQcow2(file, { sizeBytes, clusterBits });
  return await Qcow2Disk.open(file);
}

function seeds(name: string, count: number, run: (random: Random) => Promise<void>): void {
  const all = Array.from({ length: count * seedFactor }, (_, index) => index + 1);
  test.each(all)(`${name}, seed %i`, (seed) => run(new Random(seed)));
}

describe('a disk that can be switched', () => {
  test('sends what was asked for before to the old disk, and lets the rest wait for it', async () => {
    const random = new Random(1);
    const old = new SlowDisk('old', new MemoryDisk(4096), random);
    const other = new SlowDisk('new', new MemoryDisk(4096), random);
    other.calls.length = 0;
    const log = old.calls;
    const disk = new SwitchableDisk(old);
    const requests = [disk.write(1, new Uint8Array(1)), disk.read(2, new Uint8Array(1))];
    const { quiet, flushed } = disk.switchTo(other);
    requests.push(disk.write(3, new Uint8Array(1)), disk.flush());
    expect(disk.current).toBe(other);
    let begunEarly = false;
    void quiet.then(() => {
      begunEarly = other.calls.length > 0;
    });
    await flushed;
    expect(log.filter((line) => line.endsWith('done'))).toHaveLength(3);
    expect(log.slice(-2)).toEqual(['old flush 0', 'old flush 0 done']);
    await Promise.all(requests);
    expect(begunEarly).toBe(false);
    expect(other.calls.filter((line) => !line.endsWith('done')).sort()).toEqual(['new flush 0', 'new write 3']);
    expect(log.some((line) => line.includes(' 3'))).toBe(false);
    await disk.close();
  });

  test('a flush waits until what the old disk got is safe; writes do not', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const old = new MemoryDisk(4096);
    old.flush = () => held;
    const disk = new SwitchableDisk(old);
    await disk.write(0, new Uint8Array(1));
    disk.switchTo(new MemoryDisk(4096));
    let flushed = false;
    const flush = disk.flush().then(() => {
      flushed = true;
    });
    await disk.write(1, new Uint8Array(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(flushed).toBe(false);
    release();
    await flush;
    await disk.close();
  });

  test('a flush fails for good when the old disk could not be flushed', async () => {
    const old = new MemoryDisk(4096);
    old.flush = () => Promise.reject(new Error('lost'));
    const disk = new SwitchableDisk(old);
    const { flushed } = disk.switchTo(new MemoryDisk(4096));
    await expect(flushed).rejects.toThrow('lost');
    await expect(disk.flush()).rejects.toThrow('lost');
    disk.switchTo(new MemoryDisk(4096));
    await expect(disk.flush()).rejects.toThrow('lost');
    await disk.write(0, new Uint8Array(1));
    await disk.close();
  });

  test('stays with the old disk when what comes between fails', async () => {
    const old = new MemoryDisk(4096);
    const disk = new SwitchableDisk(old);
    const { quiet } = disk.switchTo(new MemoryDisk(4096), { between: () => Promise.reject(new Error('no')) });
    const write = disk.write(0, new Uint8Array([7]));
    await expect(quiet).rejects.toThrow('no');
    await write;
    await disk.flush();
    const found = new Uint8Array(1);
    await old.read(0, found);
    expect(found[0]).toBe(7);
    expect(disk.current).toBe(old);
    await disk.close();
  });

  test('a disk that was passed over at once does not let requests by', async () => {
    const log: string[] = [];
    const named = (name: string): Disk => {
      const disk = new MemoryDisk(4096);
      const write = disk.write.bind(disk);
      disk.write = async (offset, data) => {
        log.push(`${name} begins`);
        for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
        await write(offset, data);
        log.push(`${name} ends`);
      };
      return disk;
    };
    const disk = new SwitchableDisk(named('first'));
    const writes = [disk.write(0, new Uint8Array(1))];
    disk.switchTo(named('second'));
    disk.switchTo(named('third'));
    writes.push(disk.write(0, new Uint8Array(1)));
    await Promise.all(writes);
    expect(log).toEqual(['first begins', 'first ends', 'third begins', 'third ends']);
    await disk.close();
  });

  test('takes only disks of the same size and use', () => {
    const disk = new SwitchableDisk(new MemoryDisk(4096));
    const usage = expect.objectContaining({ code: 'usage' });
    expect(() => disk.switchTo(new MemoryDisk(4097))).toThrow(usage);
    expect(() => disk.switchTo(new MemoryDisk(4096, { readonly: true }))).toThrow(usage);
  });

  seeds('agrees with a model while overlays are put on it under random traffic', 6, async (random) => {
    const model = new Uint8Array(SIZE);
    const layers: Disk[] = [await emptyQcow2(SIZE, random.pick([9, 12, 16]))];
    const disk = new SwitchableDisk(new SlowDisk('0', layers[0]!, random));
    const contents: { layer: Disk; content: Promise<Uint8Array> }[] = [];
    for (let level = 1; level < 5; level++) {
      const overlay = await overlayOn(layers[0]!, random.pick([9, 12, 16]));
      const traffic = runWorkload(disk, model, random, { batches: 12, perBatch: 10, maxBytes: 200_000 });
      for (let turns = random.below(200); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      const below = layers[0]!;
      const { flushed } = disk.switchTo(new SlowDisk(String(level), overlay, random));
      contents.push({ layer: below, content: flushed.then(() => contentOf(below)) });
      layers.unshift(overlay);
      await traffic;
      await expectContent(disk, model);
    }
    // Nothing has reached an image after it was covered.
    for (const { layer, content } of contents) {
      expect(Buffer.compare(await content, await contentOf(layer))).toBe(0);
    }
    await expectContent(disk, model);
    await disk.close();
  });
});

describe('committing while the disk is in use', () => {
  seeds('leaves the parent with what the overlay has', 12, async (random) => {
    const model = new Uint8Array(SIZE);
    const parent = random.chance(70) ? await emptyQcow2(SIZE, random.pick([9, 12, 16])) : new MemoryDisk(SIZE);
    const disk = new SwitchableDisk(new SlowDisk('parent', parent, random));
    const workload = { batches: 8, perBatch: 10, maxBytes: 200_000 };
    await runWorkload(disk, model, random, workload);
    const overlay = await overlayOn(parent, random.pick([9, 12, 16]));
    await disk.switchTo(overlay).flushed;
    await runWorkload(disk, model, random, workload);
    const committing = new CommittingDisk(new SlowDisk('overlay', overlay, random), new SlowDisk('p', parent, random));
    const { quiet } = disk.switchTo(committing, { flushOld: false });
    const traffic = runWorkload(disk, model, random, { ...workload, batches: 20 });
    await quiet;
    await committing.commit();
    // The parent goes on following until it takes over.
    const between = async (): Promise<void> => committing.assertFollowing();
    await disk.switchTo(parent, { between, flushOld: false }).quiet;
    await traffic;
    await expectContent(disk, model);
    await expectContent(parent, model);
    await disk.close();
  });

  test('overlapping writes at the same time leave both with the same', async () => {
    const random = new Random(5);
    const parent = await emptyQcow2(SIZE, 12);
    const overlay = await overlayOn(parent, 12);
    const committing = new CommittingDisk(new SlowDisk('o', overlay, random), new SlowDisk('p', parent, random));
    const writes: Promise<void>[] = [];
    const commit = committing.commit();
    for (let index = 0; index < 400; index++) {
      const at = random.below(20_000);
      const length = 1 + random.below(9000);
      writes.push(
        random.chance(80)
          ? committing.write(at, new Uint8Array(length).fill(index))
          : committing.writeZeroes(at, length, true),
      );
      if (random.chance(10)) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(writes);
    await commit;
    await expectContent(parent, await contentOf(overlay));
  });

  test('fails, and leaves the overlay right, when the parent cannot be written', async () => {
    const random = new Random(9);
    const model = new Uint8Array(SIZE);
    const parent = await emptyQcow2(SIZE, 12);
    const overlay = await overlayOn(parent, 12);
    const slowParent = new SlowDisk('p', parent, random);
    await runWorkload(overlay, model, random, { batches: 5, perBatch: 5, maxBytes: 100_000 });
    const committing = new CommittingDisk(overlay, slowParent);
    slowParent.failsOn = 'write';
    const commit = committing.commit();
    await runWorkload(committing, model, random, { batches: 10, perBatch: 10, maxBytes: 100_000 });
    await expect(commit).rejects.toThrow('write fails');
    await expectContent(overlay, model);
    await overlay.close();
  });

  test('a change that only the parent refuses is no failure of the machine, but ends the commit', async () => {
    const parent = new SlowDisk('p', await emptyQcow2(SIZE, 12), new Random(1));
    const overlay = await overlayOn(parent.disk, 12);
    const committing = new CommittingDisk(overlay, parent);
    await committing.commit();
    parent.failsOn = 'write';
    await committing.write(100, new Uint8Array(10).fill(1));
    expect(() => committing.assertFollowing()).toThrow('write fails');
    const found = new Uint8Array(10);
    await committing.read(100, found);
    expect(found[0]).toBe(1);
  });

  test('can be called off', async () => {
    const parent = await emptyQcow2(SIZE, 12);
    const overlay = await overlayOn(parent, 12);
    await overlay.write(0, new Uint8Array(SIZE).fill(1));
    const abort = new AbortController();
    const committing = new CommittingDisk(overlay, parent);
    const commit = committing.commit({ signal: abort.signal, onProgress: () => abort.abort(new Error('called off')) });
    await expect(commit).rejects.toThrow('called off');
    await expectContent(overlay, new Uint8Array(SIZE).fill(1));
  });
});

describe('copying a disk', () => {
  seeds('gives the same content, with and without what lies under it', 8, async (random) => {
    const model = new Uint8Array(SIZE);
    const base = await emptyQcow2(SIZE, 12);
    const workload = { batches: 6, perBatch: 6, maxBytes: 300_000 };
    await runWorkload(base, model, random, workload);
    const from = await overlayOn(base, random.pick([9, 12, 16]));
    await runWorkload(from, model, random, workload);
    const flat = await emptyQcow2(SIZE, 16);
    let progress = 0;
    const onProgress = (doneBytes: number): void => {
      expect(doneBytes).toBeGreaterThan(progress);
      progress = doneBytes;
    };
    await copyDisk(from, flat, { imagesUnder: 64, targetHasBacking: false, onProgress });
    expect(progress).toBe(SIZE);
    await expectContent(flat, model);
    const layered = await overlayOn(base, 16);
    await copyDisk(from, layered, { imagesUnder: 0, targetHasBacking: true });
    await expectContent(layered, model);
  });

  test('leaves out what is not there', async () => {
    const sizeBytes = 2 ** 30;
    const from = new MemoryDisk(16 * 2 ** 20);
    await from.write(5_000_000, new Uint8Array(10).fill(1));
    const file = new MemoryByteFile('copy.qcow2');
    await createQcow2(file, { sizeBytes: from.sizeBytes });
    const to = await Qcow2Disk.open(file);
    await copyDisk(from, to, { imagesUnder: 64, targetHasBacking: false });
    await to.flush();
    expect(await file.size()).toBeLessThanOrEqual(8 * 65536);
    const empty = await emptyQcow2(sizeBytes, 16);
    const target = new MemoryDisk(sizeBytes);
    target.write = () => Promise.reject(new Error('nothing is to be written'));
    await copyDisk(empty, target, { imagesUnder: 64, targetHasBacking: false });
  });
});

async function contentOf(disk: Disk): Promise<Uint8Array> {
  const content = new Uint8Array(disk.sizeBytes);
  await disk.read(0, content);
  return content;
}
