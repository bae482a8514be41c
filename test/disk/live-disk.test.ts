import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type FrozenDisk,
  LiveDisk,
  type OverlayRequest,
  type PreparedOverlay,
} from '../../src/backend/disk/live/live-disk.ts';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { expectContent, runWorkload } from './support/model.ts';
import * as qemu from './support/qemu-img.ts';
import { Random, seedFactor } from './support/random.ts';

vi.setConfig({ testTimeout: 60_000 * seedFactor, hookTimeout: 60_000 });

const SIZE = 2 ** 21 + 4096;

let root: string;
let folder: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'godwit-live-'));
});
afterAll(() => rmSync(root, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(root, 'test-'));
});

const at = (name: string): string => join(folder, name);
const workload = { batches: 10, perBatch: 8, maxBytes: 100_000 };

async function frozenBy(disk: LiveDisk, request: OverlayRequest): Promise<FrozenDisk> {
  const frozen = await (await disk.prepareOverlay(request)).switch();
  if (request.parent === 'keep') await frozen.keep();
  return frozen;
}

/** Everything in the folder but locks: those go when the disk is closed. */
function names(): string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.godwit-lock-'))
    .sort();
}

interface Start {
  name: string;
  file: string;
  format?: 'raw' | 'qcow2';
  make(path: string): Promise<void>;
  /** Absent: zeros. */
  content?: Uint8Array;
}

const baseContent = new Random(77).bytes(SIZE).fill(0, 300_000, 700_000);
const STARTS: Start[] = [
  { name: 'qcow2', file: 'disk.qcow2', make: (path) => createDisk(path, { sizeBytes: SIZE }) },
  {
    name: 'qcow2 with small clusters',
    file: 'disk',
    make: (path) => createDisk(path, { sizeBytes: SIZE, clusterBits: 9 }),
  },
  {
    name: 'raw',
    file: 'disk.img',
    make: async (path) => writeFileSync(path, baseContent),
    content: baseContent,
  },
  {
    name: 'raw, named so',
    file: 'disk:1.img',
    format: 'raw',
    make: async (path) => writeFileSync(path, baseContent),
    content: baseContent,
  },
  {
    name: 'qcow2 over a base beside it',
    file: 'disk.qcow2',
    make: async (path) => {
      writeFileSync(join(path, '../base.img'), baseContent);
      await createDisk(path, { backing: { path: 'base.img', format: 'raw' }, clusterBits: 12 });
    },
    content: baseContent,
  },
];

async function start({ make, file, format, content }: Start): Promise<{ disk: LiveDisk; model: Uint8Array }> {
  await make(at(file));
  const disk = await LiveDisk.open(at(file), format === undefined ? {} : { format });
  return { disk, model: content?.slice() ?? new Uint8Array(SIZE) };
}

describe.skipIf(!qemu.hasQemuImg)(`the disk of a running machine${qemu.noQemuImg}`, () => {
  describe.each(STARTS)('$name', (begin) => {
    test('is kept once for many while nothing is written', async () => {
      const random = new Random(8);
      const { disk, model } = await start(begin);
      await runWorkload(disk, model, random, workload);
      const request: OverlayRequest = { parent: 'keep', own: false };
      const paths: string[] = [];
      const contents: Uint8Array[] = [];
      const keepTwice = async () => {
        for (let i = 0; i < 2; i++) {
          paths.push((await frozenBy(disk, request)).path);
          contents.push(model.slice());
        }
      };
      await keepTwice();
      await (await disk.prepareOverlay(request)).cancel();
      await keepTwice();
      expect(new Set(paths).size).toBe(1);
      const changes = [
        () => disk.write(0, new Uint8Array(512).fill(7)).then(() => model.fill(7, 0, 512)),
        // What is there afterwards is not said.
        () => disk.discard(65536, 65536).then(() => disk.read(65536, model.subarray(65536, 131072))),
        () => disk.writeZeroes(131072, 65536, false).then(() => model.fill(0, 131072, 196608)),
      ];
      for (const change of changes) {
        await change();
        await keepTwice();
      }
      expect(new Set(paths).size).toBe(1 + changes.length);
      const own = await frozenBy(disk, { parent: 'keep' });
      expect(paths).not.toContain(own.path);
      // An overlay that is brought back leaves what was written to the image before as it is.
      await disk.write(512, new Uint8Array(512).fill(9));
      model.fill(9, 512, 1024);
      const copied = await frozenBy(disk, { parent: 'copy' });
      await copied.commit();
      const last = await frozenBy(disk, request);
      expect([own.path, ...paths]).not.toContain(last.path);
      await expectContent(disk, model);
      await disk.close();
      for (const [path, content] of [
        ...paths.map((path, i) => [path, contents[i]!] as const),
        [last.path, model] as const,
      ]) {
        const kept = await openDisk(path, {
          readonly: true,
          ...(begin.format && path === paths[0] && { format: begin.format }),
        });
        await expectContent(kept, content);
        await kept.close();
      }
    });

    test('is copied and goes on as one file', async () => {
      const random = new Random(1);
      const { disk, model } = await start(begin);
      const before = names();
      await runWorkload(disk, model, random, workload);
      for (let round = 0; round < 2; round++) {
        const prepared = await disk.prepareOverlay({ parent: 'copy' });
        const traffic = runWorkload(disk, model, random, workload);
        const { frozen, content } = await switchDisk(prepared);
        await traffic;
        const more = runWorkload(disk, model, random, workload);
        const copy = at(`copy-${round}`);
        await frozen.copyTo(copy);
        expect(frozen.isKept).toBe(false);
        qemu.expectClean(copy);
        qemu.expectSameAs(copy, content);
        await more;
        const last = runWorkload(disk, model, random, workload);
        expect(disk.isCommitPending).toBe(true);
        await frozen.commit();
        expect(disk.isCommitPending).toBe(false);
        await last;
        await expectContent(disk, model);
        rmSync(copy);
      }
      await disk.close();
      expect(readdirSync(folder).sort()).toEqual(before);
      await expectFile(at(begin.file), begin, model);
    });

    test('is kept, and grows a chain', async () => {
      const random = new Random(2);
      const { disk, model } = await start(begin);
      const kept: { path: string; content: Uint8Array }[] = [];
      for (let round = 0; round < 3; round++) {
        const prepared = await disk.prepareOverlay({ parent: 'keep', keptPath: at(`${begin.file}.kept-${round}`) });
        const traffic = runWorkload(disk, model, random, workload);
        const { frozen, content } = await switchDisk(prepared);
        await traffic;
        await expect(openDisk(frozen.path, { readonly: true })).rejects.toMatchObject({ code: 'locked' });
        await frozen.keep();
        expect(frozen).toMatchObject({ path: at(`${begin.file}.kept-${round}`), isKept: true, sizeBytes: SIZE });
        expect(statSync(frozen.path).mode & 0o222).toBe(0);
        kept.push({ path: frozen.path, content });
        // Another machine may start from it while this one runs.
        await createDisk(at(`fork-${round}`), { backing: { path: frozen.path, format: frozen.format } });
        const fork = await LiveDisk.open(at(`fork-${round}`));
        const forkModel = new Uint8Array(content);
        await expectContent(fork, forkModel);
        await runWorkload(fork, forkModel, random, { ...workload, batches: 3 });
        await expectContent(fork, forkModel);
        await fork.close();
        await expect(openDisk(frozen.path)).rejects.toMatchObject({ name: 'GodwitError' });
        await expect(frozen.keep()).rejects.toMatchObject({ code: 'usage' });
        await frozen.commit();
        expect(existsSync(frozen.path)).toBe(true);
      }
      await expectContent(disk, model);
      await disk.close();
      for (const { path, content } of kept) {
        const image = await openDisk(path, { readonly: true, ...(path.endsWith('kept-0') ? formatOf(begin) : {}) });
        await expectContent(image, content);
        if (image.format === 'qcow2') qemu.expectClean(path);
        await image.close();
      }
      qemu.expectClean(at(begin.file));
      qemu.expectSameAs(at(begin.file), model);
      const info = JSON.parse(
        qemu.qemuImg('info', '-f', 'qcow2', '--backing-chain', '--output=json', at(begin.file)),
      ) as { filename: string }[];
      const expected = [begin.file, `${begin.file}.kept-2`, `${begin.file}.kept-1`, `${begin.file}.kept-0`];
      const inFolder = info.map(({ filename }) => filename.split('/').at(-1));
      expect(inFolder.slice(0, 4)).toEqual(expected);
    });

    test('is as before when an overlay is cancelled', async () => {
      const random = new Random(3);
      const { disk, model } = await start(begin);
      const before = names();
      for (const parent of ['keep', 'copy', 'copy'] as const) {
        const prepared = await disk.prepareOverlay({ parent });
        expect(names().length).toBe(before.length + 1);
        await runWorkload(disk, model, random, { ...workload, batches: 3 });
        await prepared.cancel();
        expect(() => prepared.switch()).toThrow('used once');
        expect(names()).toEqual(before);
      }
      await disk.prepareOverlay({ parent: 'copy' });
      await disk.close();
      expect(readdirSync(folder).sort()).toEqual(before);
      await expectFile(at(begin.file), begin, model);
    });
  });

  /** Gives what the disk held at the switch, as the frozen image shows it. */
  async function switchDisk(prepared: PreparedOverlay): Promise<{ frozen: FrozenDisk; content: Uint8Array }> {
    const frozen = await prepared.switch();
    await frozen.copyTo(at('flat'), { flatten: true });
    const content = qemu.contentOf(at('flat'));
    rmSync(at('flat'));
    return { frozen, content };
  }

  test('what was finished before the switch is in the frozen disk, what came after is not', async () => {
    await createDisk(at('d.qcow2'), { sizeBytes: SIZE });
    const disk = await LiveDisk.open(at('d.qcow2'));
    await disk.write(0, new Uint8Array(100_000).fill(1));
    const prepared = await disk.prepareOverlay({ parent: 'copy' });
    await disk.write(50_000, new Uint8Array(100_000).fill(2));
    const frozen = prepared.switch();
    await disk.write(0, new Uint8Array(10).fill(3));
    await disk.writeZeroes(65_536, 65_536, true);
    await (await frozen).copyTo(at('copy'));
    qemu.expectSameAs(at('copy'), new Uint8Array(SIZE).fill(1, 0, 50_000).fill(2, 50_000, 150_000));
    await (await frozen).commit();
    const model = new Uint8Array(SIZE).fill(3, 0, 10).fill(1, 10, 50_000).fill(2, 50_000, 65_536);
    model.fill(2, 131_072, 150_000);
    await disk.close();
    qemu.expectSameAs(at('d.qcow2'), model);
    qemu.expectClean(at('d.qcow2'));
  });

  test('what was to be kept can be given back', async () => {
    const { disk, model } = await start(STARTS[0]!);
    const random = new Random(11);
    await runWorkload(disk, model, random, workload);
    const frozen = await (await disk.prepareOverlay({ parent: 'keep', keptPath: at('kept') })).switch();
    const traffic = runWorkload(disk, model, random, workload);
    await frozen.commit();
    await traffic;
    await expect(frozen.keep()).rejects.toMatchObject({ code: 'usage' });
    expect(names()).toEqual(['disk.qcow2']);
    await expectContent(disk, model);
    // The same when nobody says which.
    await (await disk.prepareOverlay({ parent: 'keep', keptPath: at('kept') })).switch();
    await runWorkload(disk, model, random, workload);
    await disk.close();
    expect(readdirSync(folder)).toEqual(['disk.qcow2']);
    await expectFile(at('disk.qcow2'), STARTS[0]!, model);
  });

  test('closing brings back what was not', async () => {
    const { disk, model } = await start(STARTS[0]!);
    const frozen = await frozenBy(disk, { parent: 'copy' });
    await runWorkload(disk, model, new Random(4), workload);
    const copied = frozen.copyTo(at('copy'));
    await disk.close();
    await copied;
    expect(readdirSync(folder).sort()).toEqual(['copy', 'disk.qcow2']);
    await expectFile(at('disk.qcow2'), STARTS[0]!, model);
    await expect(disk.prepareOverlay({ parent: 'copy' })).rejects.toMatchObject({ code: 'state' });
  });

  test('a second overlay waits for the first', async () => {
    const { disk, model } = await start(STARTS[0]!);
    const order: string[] = [];
    const first = await frozenBy(disk, { parent: 'copy' });
    const second = disk.prepareOverlay({ parent: 'copy' }).then((prepared) => {
      order.push('second');
      return prepared;
    });
    await runWorkload(disk, model, new Random(5), workload);
    order.push('commit');
    await first.commit();
    await (await (await second).switch()).commit();
    expect(order).toEqual(['commit', 'second']);
    const third = await frozenBy(disk, { parent: 'copy' });
    const never = disk.prepareOverlay({ parent: 'keep' });
    never.catch(() => {});
    await disk.close();
    await expect(never).rejects.toMatchObject({ code: 'state' });
    void third;
    await expectFile(at('disk.qcow2'), STARTS[0]!, model);
  });

  test('a copy or a commit can be called off', async () => {
    const { disk, model } = await start(STARTS[1]!);
    await disk.write(0, new Uint8Array(SIZE).fill(5));
    model.fill(5);
    const frozen = await frozenBy(disk, { parent: 'copy' });
    const abort = new AbortController();
    const onProgress = (): void => abort.abort();
    const off = { name: 'GodwitError', code: 'state' };
    await expect(frozen.copyTo(at('copy'), { signal: abort.signal, onProgress })).rejects.toMatchObject(off);
    expect(existsSync(at('copy'))).toBe(false);
    await runWorkload(disk, model, new Random(6), workload);
    await expect(frozen.commit({ signal: AbortSignal.abort() })).rejects.toMatchObject(off);
    expect(disk.isCommitPending).toBe(true);
    await runWorkload(disk, model, new Random(7), workload);
    // The next one does first what was left.
    await (await frozenBy(disk, { parent: 'copy' })).commit();
    expect(disk.isCommitPending).toBe(false);
    await disk.close();
    await expectFile(at('disk'), STARTS[1]!, model);
  });

  test('disks that are only read stay as they are', async () => {
    await createDisk(at('d.qcow2'), { sizeBytes: SIZE });
    const disk = await LiveDisk.open(at('d.qcow2'), { readonly: true });
    const frozen = await frozenBy(disk, { parent: 'copy' });
    expect(frozen).toMatchObject({ path: at('d.qcow2'), isKept: true, format: 'qcow2' });
    await frozen.copyTo(at('copy'));
    qemu.expectSameAs(at('copy'), new Uint8Array(SIZE));
    await frozen.commit();
    await disk.close();
    expect(names()).toEqual(['copy', 'd.qcow2']);
  });

  test('goes by symbolic links to the file itself', async () => {
    mkdirSync(at('real'));
    await createDisk(at('real/d.qcow2'), { sizeBytes: SIZE });
    symlinkSync('real/d.qcow2', at('link'));
    const disk = await LiveDisk.open(at('link'));
    const model = new Uint8Array(SIZE);
    await runWorkload(disk, model, new Random(8), workload);
    expect((await frozenBy(disk, { parent: 'keep' })).path).toMatch(/\/real\/d\.qcow2\.\w+$/);
    await runWorkload(disk, model, new Random(9), workload);
    await frozenBy(disk, { parent: 'keep', keptPath: at('real/d.qcow2.second') });
    await disk.close();
    qemu.expectSameAs(at('link'), model);
    qemu.expectSameAs(at('real/d.qcow2'), model);
  });

  test('a kept image may lie in another folder, unless it names its base relative to its own', async () => {
    mkdirSync(at('store'));
    const plain = await start(STARTS[0]!);
    expect((await frozenBy(plain.disk, { parent: 'keep', keptPath: at('store/disk-0') })).path).toBe(
      at('store/disk-0'),
    );
    // The overlay names the first one by its absolute path, so it may go there as well.
    expect((await frozenBy(plain.disk, { parent: 'keep', keptPath: at('store/disk-1') })).path).toBe(
      at('store/disk-1'),
    );
    await plain.disk.close();
    qemu.expectSameAs(at('disk.qcow2'), plain.model);
    mkdirSync(at('other'));
    const over = { ...STARTS[4]!, file: 'other/over.qcow2' };
    const bound = await start(over);
    const { path } = await frozenBy(bound.disk, { parent: 'keep', keptPath: at('store/disk-2') });
    expect(path).toBe(at('other/over.qcow2.disk-2'));
    await bound.disk.close();
    qemu.expectSameAs(at('other/over.qcow2'), bound.model);
  });

  test('refuses a file that was replaced, and a name that is taken', async () => {
    const { disk, model } = await start(STARTS[0]!);
    writeFileSync(at('disk.qcow2.parent'), 'mine');
    await expect(disk.prepareOverlay({ parent: 'copy' })).rejects.toMatchObject({ code: 'usage' });
    rmSync(at('disk.qcow2.parent'));
    linkSync(at('disk.qcow2'), at('moved'));
    rmSync(at('disk.qcow2'));
    await expect(disk.prepareOverlay({ parent: 'copy' })).rejects.toMatchObject({ code: 'state' });
    writeFileSync(at('disk.qcow2'), 'other');
    await expect(disk.prepareOverlay({ parent: 'copy' })).rejects.toMatchObject({ code: 'state' });
    await disk.close();
    qemu.expectSameAs(at('moved'), model);
  });

  test('a raw disk that became an image is not taken for raw', async () => {
    const { disk, model } = await start(STARTS[3]!);
    await frozenBy(disk, { parent: 'keep', keptPath: at('disk:1.img.kept') });
    await runWorkload(disk, model, new Random(10), workload);
    await disk.close();
    await expect(openDisk(at('disk:1.img'), { format: 'raw' })).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('disk commit'),
    });
    const again = await LiveDisk.open(at('disk:1.img'));
    await expectContent(again, model);
    await again.close();
    // A guest that writes such a beginning onto its own raw disk cannot reach a file by it.
    chmodSync(at('disk:1.img.kept'), 0o644);
    const raw = await openDisk(at('disk:1.img.kept'), { format: 'raw' });
    await raw.close();
  });
});

const formatOf = ({ format }: Start): { format?: 'raw' | 'qcow2' } => (format === undefined ? {} : { format });

async function expectFile(path: string, begin: Start, model: Uint8Array): Promise<void> {
  const disk = await openDisk(path, { readonly: true, ...formatOf(begin) });
  await expectContent(disk, model);
  if (disk.format === 'qcow2') {
    qemu.expectClean(path);
    qemu.expectSameAs(path, model);
  }
  await disk.close();
}
