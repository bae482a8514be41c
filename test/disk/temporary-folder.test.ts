import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isTemporary, makeTemporaryFolder } from '../../src/platform/node/temporary-folder.ts';

let parent: string;
let before: string | undefined;
beforeEach(() => {
  before = process.env.TMPDIR;
  parent = mkdtempSync(join(tmpdir(), 'godwit-passing-test-'));
  process.env.TMPDIR = parent;
});
afterEach(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(parent, { recursive: true });
});

describe('folders for temporary images', () => {
  it('are taken away when their process is dead, and no others are', async () => {
    const own = await makeTemporaryFolder();
    expect(isTemporary(join(own, 'disk0.qcow2'))).toBe(true);
    const owner = JSON.parse(readFileSync(join(own, '.owner.json'), 'utf8'));
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    const made = (name: string, content: string | undefined): string => {
      const folder = join(parent, name);
      mkdirSync(folder);
      writeFileSync(join(folder, 'disk0.qcow2'), 'image');
      if (content !== undefined) writeFileSync(join(folder, '.owner.json'), content);
      return folder;
    };
    const dead = made('godwit-temporary-dead', JSON.stringify({ ...owner, pid }));
    // Its process ended while it took the folder away, or before it had said whose it is.
    const forgotten = made(`godwit-temporary-${pid}-x`, undefined);
    utimesSync(forgotten, new Date(0), new Date(0));
    const earlierBoot = made('godwit-temporary-boot', JSON.stringify({ ...owner, boot: 'another' }));
    const others = [
      own,
      made('godwit-temporary-new', undefined),
      made(`godwit-temporary-${pid}-y`, undefined),
      made('godwit-temporary-odd', '{"pid":1.5}'),
      made('godwit-temporary-torn', '{"pid'),
      made('godwit-temporary-far', JSON.stringify({ ...owner, pid, machine: 'another' })),
      made('something-else', JSON.stringify({ ...owner, pid })),
    ];
    others.push(await makeTemporaryFolder());
    expect([dead, forgotten, earlierBoot].filter((folder) => existsSync(folder))).toEqual([]);
    expect(others.filter((folder) => !existsSync(folder))).toEqual([]);
  });
});
