import type { CheckpointStore } from '../../../src/service/checkpoint/store/index.ts';
import type { ModelMemory } from './memory.ts';

export interface MakeOptions {
  readonly name?: string;
  readonly parent?: string;
  /** Only what changed since the parent. */
  readonly incremental?: boolean;
  /** Memory that another thread can read, so that the writer's thread is used. */
  readonly shared?: boolean;
}

/** A checkpoint of a memory; its id. */
export async function makeCheckpoint(
  store: CheckpointStore,
  memory: ModelMemory,
  { name, parent, incremental = parent !== undefined, shared = false }: MakeOptions = {},
): Promise<string> {
  const draft = await store.begin({
    ...(name === undefined ? {} : { name }),
    ...(parent === undefined ? {} : { parent }),
    ...(parent === undefined || !incremental ? {} : { base: parent }),
  });
  try {
    await draft.write({
      memory: memory.snapshot(incremental, shared),
      state: { hart: { pc: 5n } },
      point: { hart: 0, branches: 7n, pc: 0x8000_0000n },
      machine: { append: 'quiet' },
      hotPages: [1, 2],
    });
    await draft.commit();
    return draft.id;
  } catch (error) {
    await draft.abandon();
    throw error;
  }
}

/** The first page that a checkpoint has otherwise than the model, or undefined. */
export async function firstDifference(
  store: CheckpointStore,
  reference: string,
  model: ModelMemory,
): Promise<number | undefined> {
  const { pages } = await store.openCheckpoint(reference);
  try {
    return model.firstDifference((page, into) => pages.read(page, into));
  } finally {
    pages.close();
  }
}
