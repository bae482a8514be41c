import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createMachineDisk, findDebianDisk } from '../../src/guest/index.ts';

/** One line each, so that the shell's echo and what it prints can be told apart. */
const COMMANDS = [
  `python3 -c 'import hashlib; print("py:", hashlib.sha256(b"x" * 10**6).hexdigest()[:12], sum(i * i for i in range(100000)))'`,
  `perl -e 'my %h; $h{$_ % 97} += $_ for 1..100000; print "pe", "rl: $h{5}\\n"'`,
  `sqlite3 :memory: "with recursive c(x) as (select 1 union all select x+1 from c where x<20000) select 'sq' || 'l:', count(*), sum(x) from c;"`,
  `openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | tail -n 1 | sed 's/^sha256/open''ssl:/'`,
  `echo a''pt: $(apt-get --version | head -n 1) $(dpkg -l | grep -c '^ii')`,
  `dpkg --audit && echo au''dit: clean`,
  'poweroff',
];

const WANTED = [
  /^py: 1b977e9f84f1 333328333350000\r?$/m,
  /^perl: 51508760\r?$/m,
  /^sql:\|20000\|200010000\r?$/m,
  /^openssl: +\d+/m,
  /^apt: apt 3[\d.]* \(riscv64\) \d+\r?$/m,
  /^audit: clean\r?$/m,
];

describe('Debian on its root disk', async () => {
  // Building the disk takes many minutes, so it is not done for the tests.
  const debian = await findDebianDisk().catch(() => undefined);
  const folder = mkdtempSync(join(tmpdir(), 'godwit-debian-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const name = 'runs python3, perl, sqlite3, openssl and apt';
  const title = debian ? name : `${name} (skipped: no Debian disk yet; "godwit guest --debian" builds it)`;
  it.skipIf(!debian)(
    title,
    async () => {
      if (!debian) return;
      const { Machine } = (await import(
        new URL('../../dist/platform/node/index.js', import.meta.url).href
      )) as typeof import('../../src/platform/node/index.ts');
      const path = join(folder, 'machine.qcow2');
      await createMachineDisk(path, debian);
      const machine = await Machine.create({
        kernel: debian.guest.kernelPath,
        initrd: debian.guest.initramfsPath,
        append: 'console=ttyS0 quiet cryptomgr.notests root=/dev/vda',
        memory: '512M',
        disks: [{ path }],
      });
      await machine.start();
      await machine.console.waitFor(/root@\S+:~# /, { timeoutMs: 200_000 });
      await machine.console.write(`${COMMANDS.join('\r')}\r`);
      const { exitCode } = await machine.finished;
      for (const wanted of WANTED) expect(machine.console.transcript).toMatch(wanted);
      expect(exitCode).toBe(0);
    },
    400_000,
  );
});
