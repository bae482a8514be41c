/**
 * A process that makes, deletes, exports and imports checkpoints until it is killed, and says before and after each
 * what it does:
 *
 *     create ID, created ID, delete ID, deleted ID, import, imported ID
 *
 * Arguments: the folder, a seed, a folder for exported files, the address of the built store, and after how many steps
 * to end.
 */
import { rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { GodwitError } from '../../../src/common/errors.ts';
import { Random } from '../../disk/support/random.ts';
import { memoryOf, recipeOf } from './recipe.ts';

const MOST_CHECKPOINTS = 10;
const DISK_BYTES = 4096;

const [folder = '', seed = '', scratch = '', module = '', steps = 'Infinity'] = process.argv.slice(2);
const { CheckpointStore } = (await import(module)) as typeof import('../../../src/node.ts');

const store = await CheckpointStore.open({ folder });
const random = new Random(Number(seed));

function say(...words: string[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

async function create(parent: string | undefined): Promise<void> {
  const before = parent === undefined ? undefined : await store.show(parent);
  const recipe = before?.meta === undefined ? [] : recipeOf(before.meta.machine);
  const memory = memoryOf(recipe);
  // What is in it now is known; what is scribbled from here on has changed.
  memory.snapshot(true);
  const next = random.below(2 ** 30);
  memory.scribble(new Random(next), 3);
  const isIncremental = parent !== undefined && random.chance(80);
  const draft = await store.begin(parent === undefined ? {} : { parent, ...(isIncremental ? { base: parent } : {}) });
  say('create', draft.id);
  try {
    const under = before?.meta?.disks[0];
    const backing = under === undefined || random.chance(50) ? [] : [under.path, ...under.backing];
    writeFileSync(join(draft.folder, 'disk0.raw'), new Uint8Array(DISK_BYTES).fill(7));
    await draft.write({
      memory: memory.snapshot(isIncremental, random.chance(50)),
      state: { next },
      point: { hart: 0, branches: BigInt(next), pc: 0n },
      machine: [...recipe, next],
      disks: [{ path: draft.storePath('disk0.raw'), format: 'raw', sizeBytes: DISK_BYTES, readonly: false, backing }],
    });
    await draft.commit();
  } catch (error) {
    await draft.abandon();
    throw error;
  }
  say('created', draft.id);
}

async function remove(id: string): Promise<void> {
  say('delete', id);
  await store.delete(id);
  say('deleted', id);
}

async function move(id: string): Promise<void> {
  const path = join(scratch, `${process.pid}.godwit`);
  await store.export(id, path);
  say('import');
  say('imported', await store.import(path, { freshId: true }));
  rmSync(path);
}

say('ready');
for (let step = 0; step < Number(steps); step++) {
  const ids = (await store.list()).map((one) => one.id);
  try {
    if (ids.length >= MOST_CHECKPOINTS || (ids.length > 2 && random.chance(35))) await remove(random.pick(ids));
    else if (ids.length > 0 && random.chance(15)) await move(random.pick(ids));
    else await create(ids.length > 0 && random.chance(85) ? random.pick(ids) : undefined);
  } catch (error) {
    // Another process deleted it first, or builds on it; or files may not become so large.
    if (!(error instanceof GodwitError) && (error as Error).name !== 'GodwitError') throw error;
    const { code } = error as GodwitError;
    if (!['not-found', 'locked', 'full'].includes(code)) throw error;
    rmSync(join(scratch, `${process.pid}.godwit`), { force: true });
    say('refused', code);
  }
}
await store.close();
