import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GodwitError } from '../../src/common/errors.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { Random, seedFactor } from '../disk/support/random.ts';
import { checkStore } from './support/check-store.ts';
import { memoryOf } from './support/recipe.ts';
import { BUILT_STORE, buildStoreUser } from './support/store-program.ts';

const SIZE_BYTES = 2 * 1024 ** 2;

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'godwit-full-'));
});
afterAll(() => rmSync(root, { recursive: true }));

/** Why no file system can be mounted here, or undefined. */
function mountProblem(): string | undefined {
  const place = mkdtempSync(join(tmpdir(), 'godwit-mount-'));
  try {
    const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place], {
      encoding: 'utf8',
    });
    if (status !== 0) return (stderr || error?.message || 'mount failed').trim();
    spawnSync('umount', [place]);
    return undefined;
  } finally {
    rmSync(place, { recursive: true });
  }
}

const problem = mountProblem();

describe('a full file system', () => {
  let mounted: string | undefined;

  afterEach(() => {
    if (mounted !== undefined) spawnSync('umount', [mounted]);
    mounted = undefined;
  });

  /** Leaves so much free. */
  function leave(freeBytes: number): void {
    const ballast = join(mounted!, 'ballast');
    rmSync(ballast, { force: true });
    const { bavail, bsize } = statfsSync(mounted!);
    writeFileSync(ballast, new Uint8Array(Math.max(0, bavail * bsize - freeBytes)));
  }

  async function create(
    store: CheckpointStore,
    recipe: number[],
    parent?: { id: string; recipe: number[] },
  ): Promise<string> {
    const memory = memoryOf(parent?.recipe ?? []);
    memory.snapshot(true);
    for (const [page, content] of memoryOf(recipe).pages) memory.write(page, content);
    const draft = await store.begin(parent === undefined ? {} : { parent: parent.id, base: parent.id });
    try {
      await draft.write({
        memory: memory.snapshot(parent !== undefined, true),
        state: null,
        point: { hart: 0, branches: 0n, pc: 0n },
        machine: recipe,
      });
      await draft.commit();
      return draft.id;
    } catch (error) {
      await draft.abandon();
      throw error;
    }
  }

  it.skipIf(problem).each(Array.from({ length: 3 * seedFactor }, (_, index) => index + 1))(
    `fails what does not fit and leaves everything as it was (seed %i)${problem ? ` (skipped: no tmpfs: ${problem})` : ''}`,
    async (seed) => {
      const random = new Random(seed);
      mounted = mkdtempSync(join(root, 'tmpfs-'));
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES}`, 'tmpfs', mounted]).status).toBe(0);
      const store = await CheckpointStore.open({ folder: join(mounted, 'store') });
      const first = { id: await create(store, [1]), recipe: [1] };
      const second = { id: await create(store, [1, 2], first), recipe: [1, 2] };
      const portable = join(root, `portable-${seed}`);
      await store.export(second.id, portable);
      let refused = 0;
      for (let round = 0; round < 24; round++) {
        const where = `seed ${seed} round ${round}`;
        const before = await checkStore(store, where);
        leave(random.below(random.chance(30) ? 20_000 : 300_000));
        const step = random.pick([
          () => create(store, [1, 2, 100 + round], second),
          () => create(store, [3]),
          () => store.import(portable, { freshId: true }),
          // The second must take its pages in.
          () => store.delete(first.id),
        ]);
        try {
          await step();
        } catch (error) {
          expect(error, where).toBeInstanceOf(GodwitError);
          expect((error as GodwitError).code, where).toMatch(/^(full|not-found)$/);
          refused++;
          leave(SIZE_BYTES);
          expect(await checkStore(store, where), where).toEqual(before);
        }
        leave(SIZE_BYTES);
        const all = await checkStore(store, where);
        // Room for the next rounds; leaves need none to be deleted.
        for (const id of all) if (id !== first.id && id !== second.id) await store.delete(id);
      }
      expect(refused).toBeGreaterThan(0);
      await store.close();
      rmSync(portable);
    },
  );

  it('is told from other failures where only the size of a file is limited', async () => {
    const program = await buildStoreUser(root);
    const folder = join(root, 'limited');
    const scratch = join(root, 'scratch');
    mkdirSync(scratch);
    const counts = { full: 0, created: 0 };
    for (let seed = 1; seed <= 4; seed++) {
      // In blocks of 1024 bytes.
      const limit = [16, 40, 64, 96][seed - 1];
      const { status, stdout, stderr } = spawnSync(
        'bash',
        [
          '-c',
          `ulimit -f ${limit}; exec "$0" "$@"`,
          process.execPath,
          program,
          folder,
          String(seed),
          scratch,
          BUILT_STORE,
          '12',
        ],
        { encoding: 'utf8' },
      );
      expect(status, stderr).toBe(0);
      counts.full += stdout.match(/refused full/g)?.length ?? 0;
      counts.created += stdout.match(/created/g)?.length ?? 0;
      const store = await CheckpointStore.open({ folder });
      await checkStore(store, `seed ${seed}`);
      await store.close();
    }
    expect(counts.full).toBeGreaterThan(0);
    expect(counts.created).toBeGreaterThan(0);
    expect(readdirSync(scratch)).toEqual([]);
    expect(existsSync(folder)).toBe(true);
  });
});
