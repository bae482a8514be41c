/** What people reach for at the shell of the busybox guest. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Machine } from '../../src/node.ts';
import { guestImages } from '../support/guest.ts';

const PROMPT = ':~# ';
const BOOT_LIMIT_MS = 400_000;
const mke2fs = ['mke2fs', '/usr/sbin/mke2fs', '/sbin/mke2fs'].find((path) => !spawnSync(path, ['-V']).error);

describe('at the shell of the busybox guest', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : mke2fs ? undefined : 'mke2fs is missing';
  const folder = mkdtempSync(join(tmpdir(), 'godwit-everyday-'));
  let machine: Machine;

  /** Sends a line; gives what came up to the answer. */
  async function ask(line: string, answer: RegExp | string): Promise<string> {
    await machine.console.write(`${line}\r`);
    return await machine.console.waitFor(answer, { timeoutMs: BOOT_LIMIT_MS });
  }

  beforeAll(async () => {
    if ('reason' in images || reason) return;
    const disk = join(folder, 'disk.raw');
    writeFileSync(disk, '');
    truncateSync(disk, 16 * 1024 ** 2);
    spawnSync(mke2fs!, ['-q', '-F', '-t', 'ext4', disk]);
    // As it is built: threads of the library come from there.
    const library = (await import(
      new URL('../../dist/node.js', import.meta.url).href
    )) as typeof import('../../src/node.ts');
    machine = await library.Machine.create({
      kernel: images.kernel,
      initrd: images.initrd,
      append: 'console=ttyS0 quiet cryptomgr.notests initcall_blacklist=jent_mod_init godwit.size=24x80',
      memory: '128M',
      terminal: { columns: 80, rows: 24 },
      disks: [{ path: disk, format: 'raw' }],
    });
    await machine.start();
    await machine.console.waitFor(PROMPT, { timeoutMs: BOOT_LIMIT_MS });
  }, BOOT_LIMIT_MS);

  afterAll(async () => {
    await machine?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  describe.skipIf(reason)(`of Debian's kernel${reason ? ` (skipped: ${reason})` : ''}`, () => {
    it('an ext4 disk is mounted without a word on its type', async () => {
      await ask('mount /dev/vda /mnt && grep -w vda /proc/mounts', /^\/dev\/vda \/mnt ext4 rw/m);
    });

    it('Ctrl-C ends a command, also one in a script, and orphans leave no zombies', async () => {
      await ask("printf 'sleep 0.1 & echo ba''ck; exec sleep 1000' > /tmp/long; sh /tmp/long", /^back/m);
      await machine.console.write('\x03');
      await ask('sleep 0.5; echo zombies: $(ps | grep -c "\\[sleep\\]")', /^zombies: 0/m);
    });

    it('the window is followed, at each change', async () => {
      // While a program has the terminal: nothing is asked of it.
      for (const [columns, rows] of [
        [100, 40],
        [101, 41],
        [90, 30],
      ] as const) {
        await machine.console.resize(columns, rows);
        await ask(
          `until [ "$(stty size)" = "${rows} ${columns}" ]; do sleep 0.1; done; echo si''ze $(stty size)`,
          `size ${rows} ${columns}`,
        );
      }
    });

    it('a script restarts the machine, and another one ends it', async () => {
      await ask("printf '#!/bin/sh\\nreboot\\n' > /tmp/again; chmod +x /tmp/again; /tmp/again", 'in godwit');
      await machine.console.waitFor(PROMPT, { timeoutMs: BOOT_LIMIT_MS });
      expect((await machine.stats()).resets).toBe(1);
      await machine.console.write('echo poweroff > /tmp/end; sh /tmp/end\r');
      expect((await machine.finished).exitCode).toBe(0);
    });
  });
});
