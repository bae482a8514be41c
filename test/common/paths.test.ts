import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { baseName, isAbsolutePath, joinPath, parentPath, relativePath } from '../../src/common/paths.ts';
import { Random } from '../disk/support/random.ts';

const NAMES = ['a', 'b', '..', '.', '', 'a.b', '...'];

function somePath(random: Random, start: string): string {
  return start + Array.from({ length: 1 + random.below(5) }, () => random.pick(NAMES)).join('/');
}

describe('a path', () => {
  const random = new Random(1);
  const pairs = Array.from({ length: 400 }, () => {
    const start = random.pick(['/', '', '/x/', 'x/']);
    return [somePath(random, start), somePath(random, start)] as const;
  });

  it('is joined, and taken apart, as Node does it', () => {
    for (const [a, b] of pairs) {
      expect(joinPath(a, b), `${a} + ${b}`).toBe(posix.join(a, b).replace(/(.)\/$/, '$1'));
      expect(isAbsolutePath(a)).toBe(posix.isAbsolute(a));
      const whole = joinPath(a);
      expect(parentPath(whole), whole).toBe(posix.dirname(whole));
      expect(baseName(whole), whole).toBe(posix.basename(whole));
    }
  });

  it('is seen from a folder as Node sees it', () => {
    for (const [a, b] of pairs) {
      const [from, to] = [posix.join('/', a), posix.join('/', b)];
      expect(relativePath(from, to), `${from} to ${to}`).toBe(posix.relative(from, to));
    }
  });
});
