import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { basename, dirname, isAbsolute, join, normalize, relative, resolveFrom } from '../../src/common/paths.ts';

const PATHS = ['', '.', '..', '/', '//', 'a', 'a/', '/a', '/a/', 'a/b', '/a/b', '/a//b/', '../a', 'a/../..', '/../a'];
const MORE = ['/a/./b/../c', '/a/.b', '.b', 'a.qcow2', '/x/a.qcow2', '../../a/b', 'a/..', './a', '...', '/a/b/c/..'];

describe('paths, beside those of Node.js', () => {
  it.each([...PATHS, ...MORE])('%j', (path) => {
    expect(isAbsolute(path)).toBe(posix.isAbsolute(path));
    expect(dirname(path)).toBe(withoutEndSlash(posix.dirname(path)));
    expect(basename(path)).toBe(posix.basename(path));
    expect(basename(path, '.qcow2')).toBe(posix.basename(path, '.qcow2'));
    expect(normalize(path)).toBe(withoutEndSlash(posix.normalize(path)));
    for (const other of [...PATHS, ...MORE]) {
      expect(join(path, other), other).toBe(withoutEndSlash(posix.join(path, other)));
      expect(resolveFrom(`/f/${path}`, other), other).toBe(posix.resolve(`/f/${path}`, other));
      expect(relative(`/f/${path}`, `/${other}`), other).toBe(posix.relative(`/f/${path}`, `/${other}`));
    }
  });

  it('joins more than two', () => {
    expect(join('/a', 'b', '../c', 'd')).toBe('/a/c/d');
    expect(join()).toBe('.');
  });

  it('goes from one relative path to another', () => {
    expect(relative('a/b', 'a/c/d')).toBe('../c/d');
    expect(relative('.', 'a')).toBe('a');
    expect(relative('a', '.')).toBe('..');
  });
});

/** Node.js keeps the one that says that a folder is meant; files are meant here. */
function withoutEndSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}
