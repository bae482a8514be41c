import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolders } from '../../src/platform/node/make-folders.ts';

const folder = mkdtempSync(join(tmpdir(), 'godwit-folders-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('making folders', () => {
  it('makes those above that are missing, at once or several at a time, and leaves what is there', async () => {
    const path = join(folder, 'a/b/c');
    await Promise.all([makeFolders(path, { mode: 0o700 }), makeFolders(path), makeFolders(join(folder, 'a/b/d'))]);
    await makeFolders(path);
    expect(statSync(path).isDirectory()).toBe(true);
    await makeFolders('/');
  });

  it('fails where a file is in the way', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(makeFolders(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolders(join(folder, 'file/a/b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it.skipIf(process.platform !== 'linux')('ends where the system lets nobody make any', async () => {
    await expect(makeFolders('/proc/none')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(makeFolders('/proc/none/a/b')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
