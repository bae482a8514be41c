import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import {
  addCachedFile,
  checkFiles,
  defaultCacheFolder,
  type Manifest,
  readManifest,
  writeAtomically,
  writeManifest,
} from '../../src/guest/cache.ts';
import { withFileLock } from '../../src/guest/lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'godwit-cache-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function makeManifest(): Promise<Manifest> {
  const manifest: Manifest = {
    version: 1,
    recipe: 'r',
    facts: { fact: 'yes' },
    files: {
      a: await addCachedFile(folder, 'a.bin', Buffer.from('content of a')),
      b: await addCachedFile(folder, 'b.bin', Buffer.from('content of b')),
    },
  };
  await writeManifest(folder, manifest);
  return manifest;
}

describe('the cache folder', () => {
  it('is where the XDG specification says', () => {
    const saved = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = '/some/cache';
    expect(defaultCacheFolder()).toBe('/some/cache/godwit');
    process.env.XDG_CACHE_HOME = 'relative';
    expect(defaultCacheFolder()).toMatch(/\/\.cache\/godwit$/);
    if (saved === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = saved;
  });
});

describe('cached files', () => {
  let manifest: Manifest;
  beforeEach(async () => {
    manifest = await makeManifest();
  });

  it('are whole when nothing happened to them', async () => {
    expect(await readManifest(folder)).toEqual(manifest);
    expect(await checkFiles(folder, manifest, 'quick')).toEqual([]);
    expect(await checkFiles(folder, manifest, 'full')).toEqual([]);
  });

  it('are noticed to be missing, cut short, longer or changed', async () => {
    unlinkSync(join(folder, 'a.bin'));
    truncateSync(join(folder, 'b.bin'), 3);
    expect(await checkFiles(folder, manifest, 'quick')).toEqual([
      'a.bin is missing',
      'b.bin has 3 bytes instead of 12',
    ]);
    manifest = await makeManifest();
    appendFileSync(join(folder, 'a.bin'), '!');
    writeFileSync(join(folder, 'b.bin'), 'CONTENT OF B');
    utimesSync(join(folder, 'b.bin'), 1, 1);
    expect(await checkFiles(folder, manifest, 'quick')).toEqual([
      'a.bin has 13 bytes instead of 12',
      'b.bin was changed',
    ]);
  });

  it('may be touched without harm, and a change that keeps size and time is found by the full check', async () => {
    utimesSync(join(folder, 'a.bin'), 5, 5);
    expect(await checkFiles(folder, manifest, 'quick')).toEqual([]);
    const { atime, mtime } = statSync(join(folder, 'b.bin'));
    writeFileSync(join(folder, 'b.bin'), 'CONTENT OF B');
    utimesSync(join(folder, 'b.bin'), atime, mtime);
    const changed = {
      ...manifest,
      files: { b: { ...manifest.files.b!, modifiedMs: statSync(join(folder, 'b.bin')).mtimeMs } },
    };
    expect(await checkFiles(folder, changed, 'quick')).toEqual([]);
    expect(await checkFiles(folder, changed, 'full')).toEqual(['b.bin was changed']);
  });

  it('count as absent when the manifest can not be read', async () => {
    for (const content of ['', '{', 'null', '{"version":2}', '{"version":1,"recipe":"r","facts":{},"files":null}']) {
      writeFileSync(join(folder, 'manifest.json'), content);
      expect(await readManifest(folder)).toBeUndefined();
    }
  });

  it('leave nothing behind when they can not be written', async () => {
    await expect(writeAtomically(join(folder, 'no/such/folder'), 'x')).rejects.toMatchObject({ name: 'GodwitError' });
    await writeAtomically(join(folder, 'c'), 'first');
    await writeAtomically(join(folder, 'c'), 'second');
    expect(readFileSync(join(folder, 'c'), 'utf8')).toBe('second');
  });
});

describe('the lock', () => {
  it('lets one work at a time, and tells the other that it waits', async () => {
    const path = join(folder, 'lock');
    const events: string[] = [];
    const work = (name: string) => async () => {
      events.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 700));
      events.push(`${name} ends`);
    };
    const waited: string[] = [];
    await Promise.all(['a', 'b'].map((name) => withFileLock(path, () => waited.push(name), work(name))));
    const [first, second] = events[0] === 'a begins' ? ['a', 'b'] : ['b', 'a'];
    expect(events).toEqual([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`]);
    expect(waited).toContain(second);
  });

  it('is given up when the work fails', async () => {
    const path = join(folder, 'lock2');
    await expect(
      withFileLock(
        path,
        () => {},
        () => Promise.reject(new Error('no')),
      ),
    ).rejects.toThrow('no');
    expect(
      await withFileLock(
        path,
        () => {},
        () => Promise.resolve(7),
      ),
    ).toBe(7);
  });

  it('says so when it can not be taken', async () => {
    await expect(
      withFileLock(
        join(folder, 'none/lock'),
        () => {},
        () => Promise.resolve(),
      ),
    ).rejects.toMatchObject({ code: 'io' });
  });
});
