import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeFiles } from '../../src/platform/node/files.ts';
import { FILE_STORE_CASES } from './file-store.contract.ts';

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'godwit-files-')));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the file store of Node.js', () => {
  it.each(FILE_STORE_CASES)('$name', async ({ run }) => {
    // Locks lie beside the files while they are held, so names are looked at in a folder of its own.
    mkdirSync(join(folder, 'store'));
    await run(nodeFiles, join(folder, 'store'));
    expect(readdirSync(join(folder, 'store')).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('keeps others from what it writes whole, and lets them have images as the mask does', async () => {
    await nodeFiles.writeWhole(join(folder, 'checkpoint'), [new Uint8Array(1)]);
    await nodeFiles.createWhole(join(folder, 'image'), (file) => file.truncate(1));
    writeFileSync(join(folder, 'usual'), '');
    const modeOf = (name: string): number => statSync(join(folder, name)).mode & 0o777;
    expect(modeOf('checkpoint')).toBe(0o600);
    expect(modeOf('image')).toBe(modeOf('usual'));
  });

  it('makes a draft as accessible as the file that it is for', async () => {
    writeFileSync(join(folder, 'image'), '', { mode: 0o640 });
    const draft = await nodeFiles.openDraft(join(folder, 'image'), { like: join(folder, 'image') });
    await draft.replace();
    await draft.discard();
    expect(statSync(join(folder, 'image')).mode & 0o777).toBe(0o640);
  });

  it('sweeps drafts of the dead, of one file or of all', async () => {
    const draftOf = (name: string): string => `.${name}.01234567-89ab-4cde-8f01-23456789abcd.draft`;
    const old = '.godwit-draft-1';
    for (const name of [draftOf('a'), draftOf('a.b'), draftOf('c'), 'plain.draft'])
      writeFileSync(join(folder, name), '');
    writeFileSync(join(folder, old), '');
    await nodeFiles.sweepDrafts(folder, 'a');
    expect(readdirSync(folder).sort()).toEqual([draftOf('a.b'), draftOf('c'), old, 'plain.draft'].sort());
    await nodeFiles.sweepDrafts(folder);
    expect(readdirSync(folder).sort()).toEqual([old, 'plain.draft'].sort());
  });
});
