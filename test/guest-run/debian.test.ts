import { describe, expect } from 'vitest';
import { itWithDebian } from '../support/debian.ts';

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

/** As it is built: threads of the library come from there. */
const builtMachine = async () => {
  const library = (await import(
    new URL('../../dist/node.js', import.meta.url).href
  )) as typeof import('../../src/node.ts');
  return library.Machine;
};

describe('Debian on its root disk', async () => {
  await itWithDebian('runs python3, perl, sqlite3, openssl and apt', builtMachine, async (machine) => {
    await machine.console.write(`${COMMANDS.join('\r')}\r`);
    const { exitCode } = await machine.finished;
    for (const wanted of WANTED) expect(machine.console.transcript).toMatch(wanted);
    expect(exitCode).toBe(0);
  });
});
