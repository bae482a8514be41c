/** Building a disk can be ended; and its scripts can be read by a shell. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { configureDisk, type MachineRequest } from '../../src/guest/debian/configure.ts';
import { CONFIGURE_SCRIPT } from '../../src/guest/debian/configure-script.ts';
import { GUEST_FILES } from '../../src/guest/init-script.ts';
import { withFileLock } from '../../src/guest/lock.ts';
import { silentProgress } from '../../src/guest/progress.ts';

const folder = mkdtempSync(join(tmpdir(), 'godwit-cancel-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const hasFlock = spawnSync('flock', ['--version']).status === 0;

describe('a build of the Debian disk', () => {
  it('that is cancelled while Debian configures itself stops its machine, and says so', async () => {
    const abort = new AbortController();
    let stopped = false;
    const configured = configureDisk({
      guest: { kernelPath: 'k', initramfsPath: 'i', kernelVersion: '6', packages: {}, changed: false },
      diskPath: 'd.raw',
      packageCount: 3,
      logPath: join(folder, 'log'),
      progress: silentProgress,
      signal: abort.signal,
      runMachine: ({ signal }: MachineRequest) =>
        new Promise((resolve) => {
          signal?.addEventListener('abort', () => {
            stopped = true;
            resolve(0);
          });
        }),
    });
    abort.abort();
    await expect(configured).rejects.toMatchObject({ code: 'state', message: 'The Debian disk is not built.' });
    expect(stopped).toBe(true);
  });

  it.skipIf(!hasFlock)('does not wait any longer for another one (skipped without the program flock)', async () => {
    const path = join(folder, 'lock');
    await withFileLock(
      path,
      () => {},
      async () => {
        const abort = new AbortController();
        const waiting = withFileLock(
          path,
          () => abort.abort(),
          async () => 'held',
          abort.signal,
        );
        await expect(waiting).rejects.toMatchObject({ code: 'io' });
      },
    );
    const after = withFileLock(
      path,
      () => {},
      async () => 'held',
      AbortSignal.timeout(60_000),
    );
    expect(await after).toBe('held');
  });
});

describe('scripts of the guest', () => {
  const scripts = [
    ...GUEST_FILES.filter(({ content }) => content.startsWith('#!')),
    { name: 'configure', content: CONFIGURE_SCRIPT },
  ];

  it.each(scripts)('$name can be read by a shell', ({ content }) => {
    const { stderr, status } = spawnSync('sh', ['-n'], { input: content, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});
