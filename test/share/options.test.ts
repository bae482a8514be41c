/** What a person says of shared folders. */
import { describe, expect, it } from 'vitest';
import { configureMachine } from '../../src/api/options.ts';
import { parseShareArgument } from '../../src/cli/share-argument.ts';

describe('--share', () => {
  it.each([
    ['src', { path: 'src' }],
    ['/a/b:/mnt/c', { path: '/a/b', mount: '/mnt/c' }],
    ['src,readonly', { path: 'src', readonly: true }],
    ['src:/mnt/c,common,readonly', { path: 'src', mount: '/mnt/c', common: true, readonly: true }],
    ['a:b', { path: 'a:b' }],
    ['a:/x:/y', { path: 'a:/x', mount: '/y' }],
    ['a,,b', { path: 'a,b' }],
  ])('takes %s', (text, expected) => {
    expect(parseShareArgument(text)).toEqual(expected);
  });

  it.each(['', ',readonly', ':/mnt/x', 'a,write', 'a,', 'a,readonly=yes'])('refuses "%s" in words', (text) => {
    expect(() => parseShareArgument(text)).toThrowError(
      expect.objectContaining({ code: 'usage', hint: expect.stringContaining('--share DIR[:MOUNT]') }),
    );
  });
});

describe('shares of a machine', () => {
  const shared = async (shares: unknown) =>
    (await configureMachine({ kernel: 'Image', shares: shares as [], disks: [{ path: 'd' }] })).sharedFolders;

  it('are mounted below /mnt unless told otherwise', async () => {
    const mounts = async (path: string) => (await shared([{ path }]))![0]!.mount;
    expect(await mounts('src')).toBe('/mnt/src');
    expect(await mounts('/home/me/My Documents/')).toBe('/mnt/My_Documents');
    for (const path of ['.', '..', '/', 'a/..']) expect(await mounts(path)).toBe('/mnt/share');
    expect(await shared([{ path: 'a', mount: '/srv/a', readonly: true }])).toEqual([
      { path: 'a', mount: '/srv/a', readonly: true, common: false },
    ]);
  });

  it.each([
    ['a list', {}],
    ['a path', [{}]],
    ['a known option', [{ path: 'a', writable: true }]],
    ['a flag', [{ path: 'a', readonly: 'yes' }]],
    ['an object', ['a']],
    ['two places', [{ path: 'a' }, { path: 'b/a' }]],
    ['an absolute mount', [{ path: 'a', mount: 'mnt' }]],
    ['no dots', [{ path: 'a', mount: '/mnt/../etc' }]],
    ['no spaces', [{ path: 'a', mount: '/mnt/a b' }]],
    ['no end', [{ path: 'a', mount: '/mnt/' }]],
    ['a short mount', [{ path: 'a', mount: `/${'x'.repeat(255)}` }]],
    ['another mount than the root', [{ path: 'a', mount: '/' }]],
    ['another mount than /proc', [{ path: 'a', mount: '/proc' }]],
  ])('have to have %s', async (_, shares) => {
    await expect(shared(shares)).rejects.toMatchObject({ code: 'usage' });
  });

  it('are as many as the board has room for beside its disks', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => ({ path: `folder${index}` }));
    expect(await shared(many(29))).toHaveLength(29);
    await expect(shared(many(30))).rejects.toMatchObject({ code: 'limit' });
  });
});
