import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import type { CheckpointStore } from '../../../src/service/checkpoint/store/index.ts';
import { memoryOf, recipeOf } from './recipe.ts';

/** Files with temporary names, in the store and its checkpoints. */
export function leftovers(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => /(?:^|\/)\.(?!lock$|godwit-lock-)/.test(name));
}

/** Every checkpoint made by store-user.ts is whole and has what it says of itself. Gives their ids. */
export async function checkStore(store: CheckpointStore, where: string): Promise<string[]> {
  await store.cleanUp();
  expect(
    leftovers(store.folder).filter((name) => !name.includes('.godwit-draft-')),
    where,
  ).toEqual([]);
  const list = await store.list();
  const present = list.map(({ id }) => id);
  expect(
    list.filter(({ complete }) => !complete),
    `${where}: incomplete`,
  ).toEqual([]);
  for (const { id, parent, base } of list) {
    expect((await store.verify(id)).problems, `${where}: ${id}`).toEqual([]);
    const { meta, pages } = await store.openCheckpoint(id);
    const model = memoryOf(recipeOf(meta.machine));
    expect(
      model.firstDifference((page, into) => pages.read(page, into)),
      `${where}: page of ${id}`,
    ).toBeUndefined();
    pages.close();
    for (const other of [parent, base]) if (other !== null) expect(present, `${where}: under ${id}`).toContain(other);
  }
  return present;
}
