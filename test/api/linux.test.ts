/** The library's machine with Linux: its console under load, and disks. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { guestImages } from '../support/guest.ts';

const images = await guestImages();
const skipped = 'reason' in images ? images.reason : undefined;
const PROMPT = '~# ';

it.skipIf(skipped)(`keeps every byte of a large paste, and what is written to a disk ${skipped ?? ''}`, async () => {
  if ('reason' in images) return;
  const folder = mkdtempSync(join(tmpdir(), 'godwit-linux-'));
  const path = join(folder, 'disk.qcow2');
  await createDisk(path, { sizeBytes: 4 * 1024 ** 2 });
  const machine = await Machine.create({
    ...images,
    append: ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' '),
    disks: [{ path, serial: 'first' }],
    memory: '256M',
  });
  try {
    await machine.start();
    // Typed long before the guest listens.
    await machine.console.write('stty -echo; cat > /tmp/pasted\n');
    const lines = Array.from({ length: 4000 }, (_, i) => `line ${i} ${'x'.repeat(i % 50)}\n`).join('');
    await machine.console.write(`${lines}\x04`);
    await machine.console.write('wc -c < /tmp/pasted; tail -n 1 /tmp/pasted; cat /sys/block/vda/serial\n');
    await machine.console.waitFor(new RegExp(`\\b${lines.length}\\r?\\n`));
    await machine.console.waitFor('line 3999');
    await machine.console.waitFor('first');
    await machine.console.waitFor(PROMPT);
    await machine.console.write('dd if=/tmp/pasted of=/dev/vda bs=4096 conv=notrunc,sync; sync; exit 6\n');
    const end = await machine.finished;
    expect(end).toMatchObject({ reason: 'failure', exitCode: 6 });
    expect(end.statistics.firstOutputMs).toBeGreaterThan(0);
    const disk = await openDisk(path, { readonly: true });
    const content = new Uint8Array(lines.length);
    await disk.read(0, content);
    await disk.close();
    expect(new TextDecoder().decode(content)).toBe(lines);
  } finally {
    await machine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
