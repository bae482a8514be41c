/** Everything that the package's declarations show can be imported from where it was met, and says what it is. */
import { describe, expect, it } from 'vitest';
import { readSurfaces } from './public-surface.ts';

const ENTRIES = ['dist/node.d.ts', 'dist/browser.d.ts', 'dist/isa/index.d.ts', 'dist/backend/disk/index.d.ts'];
const surfaces = readSurfaces(ENTRIES);

describe.each(ENTRIES.map((entry, index) => ({ entry, surface: surfaces[index]! })))('$entry', ({ surface }) => {
  it('exports every type that a public declaration names', () => {
    expect(surface.exports.length).toBeGreaterThan(0);
    expect(surface.hiddenTypes).toEqual([]);
  });

  it('has a docstring for everything', () => {
    expect(surface.undocumented).toEqual([]);
  });
});
