/** The core and the services in a worker of a real browser, beside the same in Node.js. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { echoing } from '../api/programs.ts';
import { ChromiumPage, chromiumIsThere } from './chromium.ts';
import { coreDigests, type Lived, live, type Replayed, replay } from './exercise.ts';

describe.skipIf(!chromiumIsThere())('in Chromium (skipped without the Debian package chromium)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-browser-'));
  const kernel = echoing();
  let page: ChromiumPage;
  let there: Lived;
  let here: Lived;

  beforeAll(async () => {
    page = await ChromiumPage.open('test/browser/program.ts');
    there = await page.ask<Lived>('live', [...kernel]);
    here = await live(kernel, folder);
  });

  afterAll(async () => {
    await page?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('a core has the same digests as in Node.js', async () => {
    expect(await page.ask('core-digests', [...kernel])).toEqual(await coreDigests(kernel));
  });

  it('a machine boots, is checkpointed, forked and restored', () => {
    const { recording: _, ...printed } = there;
    expect(printed).toEqual({ parent: 'one-on-q', fork: '-forked-q', restored: '-restored-q' });
    expect(here.parent).toBe(there.parent);
  });

  it("replays its own recording and Node's, with every digest right", async () => {
    for (const { recording } of [there, here]) {
      const replayed = await page.ask<Replayed>('replay', recording);
      expect(replayed.digests).toBeGreaterThan(0);
      expect(replayed).toEqual(await replay(recording, folder));
      expect(replayed.printed).toContain('-on-');
    }
  });
});
