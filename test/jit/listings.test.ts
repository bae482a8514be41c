import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { listing } from './listing.ts';
import { REGIONS } from './regions.ts';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'listings');
const UPDATE = process.env.GODWIT_UPDATE_LISTINGS === '1';
const HOW = `the translation changed: read the difference. If it is meant, GODWIT_UPDATE_LISTINGS=1 npx vitest run test/jit/listings.test.ts
writes the listings anew; review and commit them (git diff test/jit/listings)`;

const path = (name: string): string => join(FOLDER, `${name}.wat`);

describe('translated regions', () => {
  it.each(REGIONS)('$name', async (region) => {
    const text = await listing(region);
    if (UPDATE) {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(path(region.name), text);
    }
    expect(existsSync(path(region.name)), `test/jit/listings/${region.name}.wat is missing. ${HOW}`).toBe(true);
    expect(text, `${region.name}: ${HOW}`).toBe(readFileSync(path(region.name), 'utf8'));
  });

  it('are all the listings there are', () => {
    const kept = readdirSync(FOLDER).map((file) => file.replace(/\.wat$/, ''));
    expect(kept.sort()).toEqual(REGIONS.map(({ name }) => name).sort());
  });
});
