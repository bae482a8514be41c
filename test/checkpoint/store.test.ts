import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { type CheckpointDisk, type CheckpointNode, CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { Random, seedFactor } from '../disk/support/random.ts';
import { ModelMemory } from './support/memory.ts';
import { firstDifference, makeCheckpoint } from './support/store.ts';

let scratch: string;
let folder: string;
let store: CheckpointStore;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'godwit-store-'));
  folder = join(scratch, 'checkpoints');
  store = await CheckpointStore.open({ folder, lockWaitMs: 2000 });
});
afterEach(async () => {
  await store.close();
  rmSync(scratch, { recursive: true });
});

const failsWith = (code: string) => expect.objectContaining({ name: 'GodwitError', code });

function randomMemory(seed: number, pageCount = 300): ModelMemory {
  const memory = new ModelMemory(pageCount);
  memory.scribble(new Random(seed), 20);
  return memory;
}

describe.each([
  ['in the same thread', false],
  ['in the thread for it', true],
])('a checkpoint written %s', (_, shared) => {
  it('has what was put in', async () => {
    const memory = randomMemory(1);
    const id = await makeCheckpoint(store, memory, { name: 'booted', shared });
    expect(await firstDifference(store, 'booted', memory)).toBeUndefined();
    const { meta, state, name, pages } = await store.openCheckpoint(id);
    expect(state).toStrictEqual({ hart: { pc: 5n } });
    expect(meta).toMatchObject({
      id,
      name: 'booted',
      base: null,
      machine: { append: 'quiet' },
      tool: expect.stringMatching(/^godwit \d/),
    });
    expect(name).toBe('booted');
    expect(pages.hotPages).toEqual([1, 2]);
    pages.close();
    expect(await store.verify(id)).toMatchObject({ id, problems: [] });
  });

  it('with a parent has only what changed', async () => {
    const memory = randomMemory(2, 3000);
    const parent = await makeCheckpoint(store, memory, { shared });
    memory.write(17, new Uint8Array(4096).fill(9));
    const child = await makeCheckpoint(store, memory, { parent, shared });
    const [first, second] = await store.list();
    expect(second).toMatchObject({ id: child, parent, base: parent, complete: true });
    expect(second!.sizeBytes).toBeLessThan(first!.sizeBytes);
    expect(await firstDifference(store, child, memory)).toBeUndefined();
  });

  it('can be cancelled, with nothing left of it', async () => {
    const memory = randomMemory(3, 20_000);
    const draft = await store.begin({ name: 'never' });
    const abort = new AbortController();
    const content = {
      memory: memory.snapshot(false, shared),
      state: null,
      point: { hart: 0, branches: 0n, pc: 0n },
      machine: null,
    };
    const writing = draft.write(content, { signal: abort.signal });
    abort.abort();
    await expect(writing).rejects.toThrow(failsWith('state'));
    await expect(draft.commit()).rejects.toThrow(failsWith('state'));
    expect(readdirSync(draft.folder)).toEqual(['.owner.json']);
    await draft.write(content);
    await draft.commit();
    expect(await firstDifference(store, 'never', memory)).toBeUndefined();
  });

  it('is given up when the store is closed', async () => {
    const memory = randomMemory(11, 20_000);
    const draft = await store.begin();
    const content = {
      memory: memory.snapshot(false, shared),
      state: null,
      point: { hart: 0, branches: 0n, pc: 0n },
      machine: null,
    };
    const writing = draft.write(content);
    await store.close();
    await expect(writing).rejects.toThrow(failsWith('state'));
    await draft.abandon();
  });

  it('tells how far it is', async () => {
    const memory = randomMemory(4, 5000);
    const draft = await store.begin();
    const seen: number[] = [];
    const bytes = await draft.write(
      { memory: memory.snapshot(false, shared), state: null, point: { hart: 0, branches: 0n, pc: 0n }, machine: null },
      { onProgress: (done) => seen.push(done) },
    );
    expect(seen.at(-1)).toBe(bytes);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    await draft.abandon();
    expect(readdirSync(folder)).toEqual(['.lock']);
  });
});

describe('many checkpoints', () => {
  it('are written at once', async () => {
    const memories = [5, 6, 7, 8].map((seed) => randomMemory(seed));
    const ids = await Promise.all(memories.map((memory) => makeCheckpoint(store, memory, { shared: true })));
    for (const [index, id] of ids.entries()) {
      expect(await firstDifference(store, id, memories[index]!)).toBeUndefined();
    }
  });

  it('are shown as a tree', async () => {
    const memory = randomMemory(9);
    const a = await makeCheckpoint(store, memory, { name: 'a' });
    const b = await makeCheckpoint(store, memory, { name: 'b', parent: 'a' });
    await makeCheckpoint(store, memory, { name: 'c', parent: 'b' });
    await makeCheckpoint(store, memory, { name: 'd', parent: 'a' });
    const shape = (nodes: readonly CheckpointNode[]): unknown =>
      nodes.map(({ checkpoint, children }) => [checkpoint.name, shape(children)]);
    expect(shape(await store.tree())).toEqual([
      [
        'a',
        [
          ['b', [['c', []]]],
          ['d', []],
        ],
      ],
    ]);
    expect((await store.show('a')).children).toHaveLength(2);
    await store.delete(b);
    expect(shape(await store.tree())).toEqual([
      [
        'a',
        [
          ['c', []],
          ['d', []],
        ],
      ],
    ]);
    await store.delete(a);
    expect(shape(await store.tree())).toEqual([
      ['c', []],
      ['d', []],
    ]);
  });

  it.each([true, false])(
    'in a long chain are taken in, so that it does not get longer (shared: %s)',
    async (shared) => {
      const memory = randomMemory(10, 100);
      let parent = await makeCheckpoint(store, memory, { shared });
      for (let i = 0; i < 33; i++) {
        memory.write(i, new Uint8Array(4096).fill(i + 1));
        parent = await makeCheckpoint(store, memory, { parent, shared });
      }
      const bases = (await store.list()).map(({ base }) => base);
      expect(bases.filter((base) => base === null)).toHaveLength(2);
      expect(await firstDifference(store, parent, memory)).toBeUndefined();
    },
  );
});

describe('names', () => {
  it('and ids and beginnings of ids find a checkpoint', async () => {
    const id = await makeCheckpoint(store, randomMemory(1), { name: 'one' });
    expect(await store.resolve('one')).toBe(id);
    expect(await store.resolve(id)).toBe(id);
    expect(await store.resolve(id.slice(0, 6))).toBe(id);
    await expect(store.resolve('two')).rejects.toThrow(failsWith('not-found'));
    await expect(store.resolve('')).rejects.toThrow(failsWith('not-found'));
  });

  it('of which several begin so are refused', async () => {
    for (let i = 0; i < 17; i++) await makeCheckpoint(store, new ModelMemory(1));
    const starts = (await store.list()).map(({ id }) => id[0]!);
    const twice = starts.find((start, index) => starts.indexOf(start) !== index)!;
    await expect(store.resolve(twice)).rejects.toThrow(failsWith('usage'));
  });

  it.each(['', '-x', '.x', 'a/b', 'ä', 'x'.repeat(65), '0123456789abcdef'])('cannot be "%s"', async (name) => {
    await expect(store.begin({ name })).rejects.toThrow(failsWith('usage'));
  });

  it('are there once', async () => {
    await makeCheckpoint(store, randomMemory(1), { name: 'one' });
    await expect(store.begin({ name: 'one' })).rejects.toThrow(failsWith('usage'));
    const drafts = [await store.begin({ name: 'two' }), await store.begin({ name: 'two' })];
    for (const draft of drafts) {
      await draft.write({
        memory: new ModelMemory(1).snapshot(false),
        state: null,
        point: { hart: 0, branches: 0n, pc: 0n },
        machine: null,
      });
    }
    await drafts[0]!.commit();
    await expect(drafts[1]!.commit()).rejects.toThrow(failsWith('usage'));
    await drafts[1]!.abandon();
    expect(await store.list()).toHaveLength(2);
  });

  it('can be changed', async () => {
    const id = await makeCheckpoint(store, randomMemory(1), { name: 'one' });
    await makeCheckpoint(store, randomMemory(1), { name: 'two' });
    await store.rename('one', 'three');
    expect(await store.resolve('three')).toBe(id);
    await expect(store.rename('three', 'two')).rejects.toThrow(failsWith('usage'));
    await store.rename('three', null);
    await expect(store.resolve('three')).rejects.toThrow(failsWith('not-found'));
    expect((await store.openCheckpoint(id)).name).toBeNull();
  });
});

describe('deleting', () => {
  it.each(Array.from({ length: 2 * seedFactor }, (_, index) => index + 1))(
    'in any order leaves all others as they are (seed %i)',
    async (seed) => {
      const random = new Random(seed);
      const models = new Map<string, ModelMemory>();
      const memories = new Map<string, ModelMemory>();
      for (let i = 0; i < 10; i++) {
        const parent = random.chance(85) && models.size > 0 ? random.pick([...models.keys()]) : undefined;
        const memory = parent === undefined ? new ModelMemory(200) : memories.get(parent)!.copy();
        memory.scribble(random, random.below(6));
        const incremental = parent !== undefined && random.chance(85);
        const id = await makeCheckpoint(store, memory, { ...(parent === undefined ? {} : { parent }), incremental });
        models.set(id, memory.copy());
        memories.set(id, memory);
      }
      while (models.size > 0) {
        const gone = random.pick([...models.keys()]);
        await store.delete(gone);
        models.delete(gone);
        expect((await store.list()).map(({ id, complete }) => [id, complete]).sort()).toEqual(
          [...models.keys()].sort().map((id) => [id, true]),
        );
        for (const [id, model] of models) expect(await firstDifference(store, id, model)).toBeUndefined();
      }
      expect(readdirSync(folder)).toEqual(['.lock']);
    },
  );

  it('does not disturb a machine that reads its pages from the checkpoint', async () => {
    const memory = randomMemory(1);
    const parent = await makeCheckpoint(store, memory);
    memory.scribble(new Random(2), 5);
    const child = await makeCheckpoint(store, memory, { parent });
    const { pages } = await store.openCheckpoint(child);
    await store.delete(parent);
    await store.delete(child);
    expect(memory.firstDifference((page, into) => pages.read(page, into))).toBeUndefined();
    pages.close();
    expect(() => pages.read(0, new Uint8Array(4096))).toThrow(failsWith('state'));
  });

  it('of what a new one would build on is noticed, and damage to it too', async () => {
    const memory = randomMemory(1);
    const parent = await makeCheckpoint(store, memory);
    writeFileSync(join(folder, parent, 'machine.godwit'), 'no checkpoint');
    await expect(store.begin({ parent, base: parent })).rejects.toThrow(failsWith('damaged'));
    await store.delete(parent);
    await expect(store.begin({ parent, base: parent })).rejects.toThrow(failsWith('not-found'));
  });

  it('is refused while a checkpoint is made that builds on it', async () => {
    const memory = randomMemory(1);
    const parent = await makeCheckpoint(store, memory);
    const draft = await store.begin({ parent, base: parent });
    await expect(store.delete(parent)).rejects.toThrow(failsWith('locked'));
    await draft.abandon();
    await store.delete(parent);
    expect(await store.list()).toEqual([]);
  });
});

describe('disks', () => {
  /** A checkpoint with an image in its folder, over another's. */
  async function withDisk(parent?: {
    id: string;
    disk: CheckpointDisk;
  }): Promise<{ id: string; disk: CheckpointDisk }> {
    const draft = await store.begin(parent === undefined ? {} : { parent: parent.id });
    const backing = parent === undefined ? [] : [parent.disk.path, ...parent.disk.backing];
    await createDisk(join(draft.folder, 'disk0.qcow2'), {
      ...(parent === undefined ? { sizeBytes: 1_000_000 } : { backing: { path: `../${backing[0]}`, format: 'qcow2' } }),
    });
    const opened = await openDisk(join(draft.folder, 'disk0.qcow2'));
    await opened.write(backing.length * 70_000, new TextEncoder().encode(`written at ${backing.length}`));
    await opened.close();
    const disk = {
      path: draft.storePath('disk0.qcow2'),
      format: 'qcow2',
      sizeBytes: 1_000_000,
      readonly: false,
      backing,
    } as const;
    await draft.write({
      memory: new ModelMemory(4).snapshot(false),
      state: null,
      point: { hart: 0, branches: 0n, pc: 0n },
      machine: null,
      disks: [disk],
    });
    await draft.commit();
    return { id: draft.id, disk };
  }

  async function textAt(path: string, offset: number): Promise<string> {
    const disk = await openDisk(path, { readonly: true });
    const bytes = new Uint8Array(12);
    await disk.read(offset, bytes);
    await disk.close();
    return new TextDecoder().decode(bytes);
  }

  it('of a deleted checkpoint stay as long as others need them', async () => {
    const first = await withDisk();
    const second = await withDisk(first);
    const third = await withDisk(second);
    await store.delete(second.id);
    await store.delete(first.id);
    expect(await store.list()).toMatchObject([{ id: third.id, parent: null, complete: true }]);
    expect(await store.verify(third.id)).toMatchObject({ problems: [] });
    expect(await textAt(store.diskPath(third.disk.path), 0)).toBe('written at 0');
    expect(readdirSync(join(folder, second.id)).sort()).toEqual(['checkpoint.json', 'disk0.qcow2']);
    await expect(store.resolve(second.id)).rejects.toThrow(failsWith('not-found'));
    await store.delete(third.id);
    expect(readdirSync(folder)).toEqual(['.lock']);
  });

  it('that a machine uses keep the checkpoint', async () => {
    const first = await withDisk();
    const used = await openDisk(store.diskPath(first.disk.path), { readonly: true });
    await expect(store.delete(first.id)).rejects.toThrow(failsWith('locked'));
    await used.close();
    await store.delete(first.id);
  });

  it('that are missing are noticed', async () => {
    const first = await withDisk();
    const second = await withDisk(first);
    rmSync(store.diskPath(first.disk.path));
    expect((await store.list()).map(({ complete }) => complete)).toEqual([false, false]);
    expect((await store.verify(second.id)).problems).toHaveLength(1);
    const draft = await store.begin();
    await draft.write({
      memory: new ModelMemory(4).snapshot(false),
      state: null,
      point: { hart: 0, branches: 0n, pc: 0n },
      machine: null,
      disks: [first.disk],
    });
    await expect(draft.commit()).rejects.toThrow(failsWith('not-found'));
    await draft.abandon();
  });

  it('travel in a portable file', async () => {
    const first = await withDisk();
    const second = await withDisk(first);
    const file = join(scratch, 'moved.godwit');
    await store.export(second.id, file);
    const other = await CheckpointStore.open({ folder: join(scratch, 'other') });
    const id = await other.import(file, { name: 'moved' });
    expect(id).toBe(second.id);
    expect(await other.verify(id)).toMatchObject({ problems: [] });
    const { meta, pages } = await other.openCheckpoint('moved');
    pages.close();
    expect(meta.disks).toEqual([
      { path: `${id}/disk0.qcow2`, format: 'qcow2', sizeBytes: 1_000_000, readonly: false, backing: [] },
    ]);
    const path = other.diskPath(meta.disks[0]!.path);
    expect(await textAt(path, 0)).toBe('written at 0');
    expect(await textAt(path, 70_000)).toBe('written at 1');
    const [copy, original] = [
      await openDisk(path, { readonly: true }),
      await openDisk(store.diskPath(second.disk.path), { readonly: true }),
    ];
    const [a, b] = [new Uint8Array(1_000_000), new Uint8Array(1_000_000)];
    await copy.read(0, a);
    await original.read(0, b);
    expect(Buffer.compare(a, b)).toBe(0);
    await copy.close();
    await original.close();
  });
});

describe('a portable file', () => {
  it('has all of a chain, and is imported once, or under fresh ids', async () => {
    const memory = randomMemory(1);
    const parent = await makeCheckpoint(store, memory, { name: 'a' });
    memory.scribble(new Random(2), 5);
    const id = await makeCheckpoint(store, memory, { name: 'b', parent });
    const file = join(scratch, 'b.godwit');
    await store.export('b', file);
    await expect(store.export('b', file)).rejects.toThrow(failsWith('usage'));
    await expect(store.import(file)).rejects.toThrow(failsWith('usage'));
    await expect(store.import(file, { freshId: true })).rejects.toThrow(failsWith('usage'));
    const copy = await store.import(file, { freshId: true, name: 'c' });
    expect(copy).not.toBe(id);
    expect(await firstDifference(store, 'c', memory)).toBeUndefined();
    await store.delete('b');
    await store.delete('a');
    expect(await store.import(file)).toBe(id);
    expect(await firstDifference(store, 'b', memory)).toBeUndefined();
    expect((await store.show('b')).parent).toBeNull();
  });

  it('must have all pages and disks', async () => {
    const memory = randomMemory(1);
    const parent = await makeCheckpoint(store, memory);
    const id = await makeCheckpoint(store, memory, { parent });
    await expect(store.import(join(folder, id, 'machine.godwit'), { freshId: true })).rejects.toThrow(
      failsWith('unsupported'),
    );
  });

  it('that is damaged changes nothing', async () => {
    await makeCheckpoint(store, randomMemory(1), { name: 'a' });
    const file = join(scratch, 'a.godwit');
    await store.export('a', file);
    const bytes = readFileSync(file);
    for (const at of [3, 12, 100, bytes.length >> 1, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      writeFileSync(file, changed);
      await expect(store.import(file, { freshId: true, name: 'b' })).rejects.toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(damaged|unsupported)$/) }),
      );
    }
    await expect(store.import(join(scratch, 'none'))).rejects.toThrow(failsWith('not-found'));
    expect(await store.list()).toHaveLength(1);
    expect(readdirSync(folder)).toHaveLength(2);
  });
});

describe('what is left of a process that died', () => {
  it('is removed by the next change, and what a living one has is not', async () => {
    const id = await makeCheckpoint(store, randomMemory(1), { name: 'whole' });
    const living = await store.begin();
    const dead = join(folder, '.draft-00000000000000aa');
    mkdirSync(dead);
    writeFileSync(join(dead, 'machine.godwit'), 'half');
    const deadToo = join(folder, '.draft-00000000000000ab');
    mkdirSync(deadToo);
    const owner = JSON.parse(readFileSync(join(living.folder, '.owner.json'), 'utf8')) as object;
    writeFileSync(join(deadToo, '.owner.json'), JSON.stringify({ ...owner, pid: 2 ** 22 - 1 }));
    mkdirSync(join(folder, '.deleted-00000000000000ac'));
    const stray = join(folder, id, '.machine.godwit.1234.draft');
    writeFileSync(stray, 'half');
    const lockDraft = join(folder, '.godwit-draft-1');
    writeFileSync(lockDraft, '');
    utimesSync(lockDraft, 1, 1);
    await store.cleanUp();
    expect(readdirSync(folder).sort()).toEqual(['.lock', `.draft-${living.id}`, id].sort());
    expect(existsSync(stray)).toBe(false);
    await living.abandon();
    expect(await store.verify('whole')).toMatchObject({ problems: [] });
  });

  it('is removed where the process lives and has given it up', async () => {
    const draft = await store.begin();
    const owner = readFileSync(join(draft.folder, '.owner.json'));
    await draft.abandon();
    mkdirSync(draft.folder);
    writeFileSync(join(draft.folder, '.owner.json'), owner);
    await store.cleanUp();
    expect(existsSync(draft.folder)).toBe(false);
  });
});

describe('a damaged checkpoint', () => {
  let memory: ModelMemory;
  let parent: string;
  let child: string;

  beforeEach(async () => {
    memory = randomMemory(1);
    parent = await makeCheckpoint(store, memory, { name: 'parent' });
    memory.scribble(new Random(2), 3);
    child = await makeCheckpoint(store, memory, { name: 'child', parent });
  });

  function damage(id: string, file: string, at: number): void {
    const path = join(folder, id, file);
    const bytes = readFileSync(path);
    bytes[at < 0 ? bytes.length + at : at]! ^= 0x40;
    writeFileSync(path, bytes);
  }

  it('is listed, with what is wrong, and can be deleted', async () => {
    damage(child, 'machine.godwit', -1);
    expect(await store.list()).toMatchObject([
      { name: 'parent', complete: true },
      { name: 'child', complete: false, problem: expect.stringContaining('machine.godwit is damaged') },
    ]);
    await expect(store.openCheckpoint('child')).rejects.toThrow(failsWith('damaged'));
    expect((await store.verify('child')).problems).toHaveLength(1);
    await store.delete('child');
    expect(await store.list()).toHaveLength(1);
  });

  it('keeps its name where only the manifest is damaged', async () => {
    damage(child, 'checkpoint.json', 30);
    expect(await store.list()).toMatchObject([{ name: 'parent' }, { name: 'child', complete: false }]);
    expect(await firstDifference(store, 'child', memory)).toBeUndefined();
    await store.delete('child');
  });

  it('is not deleted over the heads of those that need its pages', async () => {
    const size = statSync(join(folder, parent, 'machine.godwit')).size;
    damage(parent, 'machine.godwit', Math.floor(size / 2));
    expect((await store.verify('child')).problems).toHaveLength(1);
    await expect(store.delete('parent')).rejects.toThrow(failsWith('damaged'));
    expect(await store.list()).toHaveLength(2);
    await store.delete('child');
    await store.delete('parent');
    expect(await store.list()).toEqual([]);
  });

  it('makes those incomplete that build on it', async () => {
    rmSync(join(folder, parent), { recursive: true });
    expect(await store.list()).toMatchObject([{ name: 'child', complete: false }]);
    await expect(store.openCheckpoint('child')).rejects.toThrow(failsWith('damaged'));
  });
});

describe('several users of one store', () => {
  it('wait for each other', async () => {
    const stores = await Promise.all([1, 2, 3].map(() => CheckpointStore.open({ folder })));
    const memories = stores.map((_, index) => randomMemory(index + 1, 50));
    await Promise.all(
      stores.map(async (own, index) => {
        for (let i = 0; i < 4; i++) {
          const id = await makeCheckpoint(own, memories[index]!, { name: `m${index}-${i}` });
          if (i % 2 === 1) await own.delete(id);
        }
      }),
    );
    const names = (await store.list()).map(({ name }) => name).sort();
    expect(names).toEqual(['m0-0', 'm0-2', 'm1-0', 'm1-2', 'm2-0', 'm2-2']);
  });
});
