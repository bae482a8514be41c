import type { PlainData } from '../../../src/state/plain-data.ts';
import { Random } from '../../disk/support/random.ts';
import { ModelMemory } from './memory.ts';

export const RECIPE_PAGES = 400;

/** Memory that follows from a list of seeds, so that a checkpoint which names them says what must be in it. */
export function memoryOf(seeds: readonly number[]): ModelMemory {
  const memory = new ModelMemory(RECIPE_PAGES);
  for (const seed of seeds) memory.scribble(new Random(seed), 3);
  return memory;
}

export function recipeOf(machine: PlainData): number[] {
  return machine as number[];
}
