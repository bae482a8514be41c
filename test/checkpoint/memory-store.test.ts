import { beforeEach, describe, expect, it } from 'vitest';
import { GodwitError } from '../../src/common/errors.ts';
import { join } from '../../src/common/paths.ts';
import { installPlatform, platform } from '../../src/platform/platform.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { Random } from '../disk/support/random.ts';
import { inlineThreads } from '../support/inline-threads.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { ModelMemory } from './support/memory.ts';
import { firstDifference, makeCheckpoint } from './support/store.ts';

const node = platform();
const FOLDER = '/data/checkpoints';
const PORTABLE = '/portable.godwit';

function use(files: MemoryFiles): Promise<CheckpointStore> {
  installPlatform({ ...node, files, threads: { ...node.threads, ...inlineThreads } });
  return CheckpointStore.open({ lockWaitMs: 100 });
}

function randomMemory(seed: number): ModelMemory {
  const memory = new ModelMemory(60);
  memory.scribble(new Random(seed), 4);
  return memory;
}

/** A memory that knows what has changed in it. */
function changed(from: ModelMemory, to: ModelMemory): ModelMemory {
  const memory = from.copy();
  memory.snapshot(true);
  for (const [page, content] of to.pages) memory.write(page, content);
  return memory;
}

/** What each checkpoint must have, by its name. */
type Models = Readonly<Record<string, ModelMemory>>;

/** Everything that is listed is whole, and nothing else is there once it is cleaned up. Gives the names. */
async function checkWhole(files: MemoryFiles, models: Models, where: string): Promise<string[]> {
  const store = await use(files);
  const incomplete = (await store.list()).filter(({ complete }) => !complete);
  expect(incomplete, where).toEqual([]);
  await store.cleanUp();
  const list = await store.list();
  expect((await files.list(FOLDER)).map(({ name }) => name).sort(), where).toEqual(
    ['.lock', ...list.map(({ id }) => id)].sort(),
  );
  for (const { id, name } of list) {
    expect((await files.list(join(FOLDER, id))).map((entry) => entry.name)).toEqual([
      'checkpoint.json',
      'machine.godwit',
    ]);
    expect((await store.verify(id)).problems, `${where}: ${name}`).toEqual([]);
    expect(await firstDifference(store, id, models[name!]!), `${where}: ${name}`).toBeUndefined();
  }
  return list.map(({ name }) => name!).sort();
}

describe('a store on files of another host', () => {
  let files: MemoryFiles;
  let store: CheckpointStore;

  beforeEach(async () => {
    files = new MemoryFiles();
    store = await use(files);
  });

  it.each([
    ['in the same thread', false],
    ['in the thread for it', true],
  ])('makes, lists, verifies, moves and deletes checkpoints written %s', async (_, shared) => {
    expect(store.folder).toBe(FOLDER);
    const first = randomMemory(1);
    await makeCheckpoint(store, first, { name: 'first', shared });
    const second = first.copy();
    second.scribble(new Random(2), 2);
    await makeCheckpoint(store, second, { name: 'second', parent: 'first', shared });
    expect(await store.list()).toMatchObject([
      { name: 'first', base: null, complete: true },
      { name: 'second', base: await store.resolve('first'), complete: true },
    ]);
    await store.export('second', PORTABLE);
    await store.delete('first');
    await store.import(PORTABLE, { freshId: true, name: 'third' });
    expect(await checkWhole(files, { second, third: second }, 'after all')).toEqual(['second', 'third']);
    await store.delete('second');
    await store.delete('third');
    expect((await files.list(FOLDER)).map(({ name }) => name)).toEqual(['.lock']);
  });

  it('keeps what a living draft builds on, and removes the draft of an earlier program', async () => {
    const parent = await makeCheckpoint(store, randomMemory(1), { name: 'first' });
    const draft = await store.begin({ parent });
    await expect(store.delete(parent)).rejects.toThrow(
      expect.objectContaining({ code: 'locked', message: expect.stringContaining('This program is making') }),
    );
    expect(await files.look(draft.folder)).toBeDefined();
    files.restart();
    await store.delete(parent);
    expect((await files.list(FOLDER)).map(({ name }) => name)).toEqual(['.lock']);
  });

  it('waits for who has its lock', async () => {
    const lock = await files.lock(join(FOLDER, '.lock'), 'exclusive', { create: true });
    await expect(store.cleanUp()).rejects.toThrow(expect.objectContaining({ code: 'locked' }));
    const waiting = (await use(files)).cleanUp();
    await lock.release();
    await waiting;
  });
});

describe('a store whose host fails', () => {
  let before: MemoryFiles;
  const first = randomMemory(1);
  const second = first.copy();
  second.scribble(new Random(2), 2);
  const third = second.copy();
  third.scribble(new Random(3), 2);
  const models: Models = { first, second, third, renamed: first, imported: second };

  beforeEach(async () => {
    before = new MemoryFiles();
    const store = await use(before);
    await makeCheckpoint(store, first.copy(), { name: 'first' });
    await makeCheckpoint(store, changed(first, second), { name: 'second', parent: 'first' });
    await store.export('second', PORTABLE);
  });

  const operations: readonly [string, (store: CheckpointStore) => Promise<unknown>, string[], string[]][] = [
    [
      'a new checkpoint',
      async (store) => makeCheckpoint(store, changed(second, third), { name: 'third', parent: 'second' }),
      ['first', 'second'],
      ['first', 'second', 'third'],
    ],
    [
      'a new checkpoint written in a thread',
      async (store) => makeCheckpoint(store, changed(second, third), { name: 'third', parent: 'second', shared: true }),
      ['first', 'second'],
      ['first', 'second', 'third'],
    ],
    ['deleting what another builds on', (store) => store.delete('first'), ['first', 'second'], ['second']],
    ['deleting what nothing builds on', (store) => store.delete('second'), ['first', 'second'], ['first']],
    [
      'importing one',
      (store) => store.import(PORTABLE, { freshId: true, name: 'imported' }),
      ['first', 'second'],
      ['first', 'imported', 'second'],
    ],
    ['another name', (store) => store.rename('first', 'renamed'), ['first', 'second'], ['renamed', 'second']],
  ];

  it.each(operations)('has only whole checkpoints after %s failed at any step', async (_, operate, old, done) => {
    await failEachStep(before, operate, async (files, error, where) => {
      const names = await checkWhole(files, models, where);
      expect([old, done], where).toContainEqual(names);
      if (error === undefined) expect(names, where).toEqual(done);
    });
  });

  it('keeps the images that others need after deleting failed at any step', async () => {
    const files = new MemoryFiles();
    const lower = await makeWithImage(await use(files), []);
    const upper = await makeWithImage(await use(files), [lower]);
    await failEachStep(
      files,
      (store) => store.delete(lower),
      async (after, error, where) => {
        const store = await use(after);
        for (const { complete } of await store.list()) expect(complete, where).toBe(true);
        await store.cleanUp();
        const ids = (await store.list()).map(({ id }) => id);
        expect(ids, where).toContain(upper);
        if (error === undefined) expect(ids).toEqual([upper]);
        expect(await after.look(store.diskPath(`${lower}/${IMAGE}`)), where).toBeDefined();
        for (const id of ids) await store.delete(id);
        expect((await after.list(FOLDER)).map(({ name }) => name)).toEqual(['.lock']);
      },
    );
  });
});

/**
 * Does something to copies of a store, with its first step failing, then its second, and so on, until all are done:
 * once so that what follows works again, once so that nothing does. `check` sees what another program finds.
 */
async function failEachStep(
  before: MemoryFiles,
  operate: (store: CheckpointStore) => Promise<unknown>,
  check: (files: MemoryFiles, error: unknown, where: string) => Promise<void>,
): Promise<void> {
  for (const lasts of [false, true]) {
    let isDone = false;
    let failures = 0;
    for (; !isDone; failures++) {
      const where = `${lasts ? 'killed' : 'failed'} at step ${failures + 1}`;
      const files = before.copy();
      const store = await use(files);
      const failing = files.changes + failures + 1;
      files.failChange(failures + 1, lasts);
      const error: unknown = await operate(store).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error !== undefined) expect(error, where).toMatchObject({ name: GodwitError.name, code: 'io' });
      isDone = files.changes < failing;
      files.restart();
      await check(files, error, where);
    }
    expect(failures).toBeGreaterThan(4);
  }
}

const IMAGE = 'disk0.raw';

/** A checkpoint with an image of its own, over those of others; its id. */
async function makeWithImage(store: CheckpointStore, under: readonly string[]): Promise<string> {
  const draft = await store.begin();
  await platform().files.writeWhole(join(draft.folder, IMAGE), [new Uint8Array(512)]);
  const path = draft.storePath(IMAGE);
  const backing = under.map((id) => `${id}/${IMAGE}`);
  await draft.write({
    memory: randomMemory(1).snapshot(false),
    state: null,
    point: { hart: 0, branches: 0n, pc: 0n },
    machine: null,
    disks: [{ path, format: 'raw', sizeBytes: 512, readonly: false, backing }],
  });
  await draft.commit();
  return draft.id;
}
