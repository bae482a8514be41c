import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeCpio } from '../../src/guest/cpio.ts';
import { guestImages } from '../support/guest.ts';

const MEBIBYTE = 1024 ** 2;
const DISK_BYTES = 64 * MEBIBYTE;
const DATA_OFFSET = 16 * 65536;
const DATA_BYTES = 128 * 65536;

const haveQemuImg = spawnSync('qemu-img', ['--version']).status === 0;

describe('a guest that tests itself', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'godwit-self-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.skipIf(reason)(
    `passes, and its disk holds what it wrote${reason ? ` (skipped: ${reason})` : ''}`,
    async () => {
      if ('reason' in images) return;
      // The library as it is installed: machines run in a worker, which needs the compiled files.
      const { Machine, createDisk } = (await import(
        new URL('../../dist/node.js', import.meta.url).href
      )) as typeof import('../../src/node.ts');
      const disk = join(folder, 'disk.qcow2');
      await createDisk(disk, { sizeBytes: DISK_BYTES, format: 'qcow2' });
      const script = readFileSync(new URL('./self-test.sh', import.meta.url));
      const extra = writeCpio([{ type: 'file', name: 'self-test.sh', permissions: 0o755, content: script }]);
      const padding = new Uint8Array((4 - (images.initrd.length % 4)) % 4);
      const machine = await Machine.create({
        kernel: images.kernel,
        initrd: Buffer.concat([images.initrd, padding, extra]),
        append: 'console=ttyS0 quiet cryptomgr.notests',
        memory: '256M',
        disks: [{ path: disk }],
      });
      await machine.start();
      await machine.console.waitFor('~# ', { timeoutMs: 120_000 });
      await machine.console.write('sh /self-test.sh; poweroff\r');
      const { exitCode } = await machine.finished;
      const { transcript } = machine.console;
      expect(transcript).not.toMatch(/not ok/);
      expect(transcript).toContain('self-test passed');
      expect(exitCode).toBe(0);

      const sum = /sum of data: ([0-9a-f]{64})/.exec(transcript)?.[1];
      if (!haveQemuImg) return;
      execFileSync('qemu-img', ['check', '-q', disk]);
      const raw = join(folder, 'disk.raw');
      execFileSync('qemu-img', ['convert', '-O', 'raw', disk, raw]);
      const data = readFileSync(raw).subarray(DATA_OFFSET, DATA_OFFSET + DATA_BYTES);
      expect(createHash('sha256').update(data).digest('hex')).toBe(sum);
    },
    280_000,
  );
});
