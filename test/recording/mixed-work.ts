import { randomNumbers } from '../support/random.ts';

/** What a person, or a script, might do in the guest's shell; some of it for a while, some beside other things. */
type Command = (random: (limit: number) => number) => string;

const COMMANDS: readonly Command[] = [
  // Processes
  (r) => `i=0; while [ $i -lt ${20 + r(150)} ]; do /bin/true; i=$((i+1)); done`,
  (r) => `for i in $(seq ${5 + r(20)}); do (echo $i | cat | cat >/dev/null) & done; wait`,
  (r) => `seq ${50 + r(300)} | while read n; do echo $((n * n)); done | md5sum`,
  (r) => `sleep 0.${r(4)} & sleep 0.${r(3)}; wait; echo slept`,
  // Text and compression
  (r) => `seq 1 ${2000 + r(20_000)} | sed 's/1/one/g; s/7$/x/' | sort -r | md5sum`,
  (r) => `awk 'BEGIN { for (i = 0; i < ${20_000 + r(90_000)}; i++) s += i * 1.5; print s }'`,
  (r) => `head -c ${50_000 + r(400_000)} /dev/urandom | gzip -${1 + r(9)} | gunzip | md5sum`,
  () => 'tar c /bin /etc 2>/dev/null | gzip -1 | wc -c',
  () => 'find / -xdev -type f 2>/dev/null | sort | md5sum; ls -lR /bin >/dev/null',
  // Memory
  (r) => `dd if=/dev/zero of=/tmp/z bs=64k count=${20 + r(80)} 2>/dev/null; md5sum /tmp/z; rm -f /tmp/z`,
  // The disk
  (r) => `dd if=/dev/urandom of=/dev/vda bs=4k count=${10 + r(200)} seek=${r(3000)} conv=fsync 2>/dev/null`,
  (r) => `dd if=/dev/vda bs=${1 << (9 + r(8))} count=${10 + r(100)} skip=${r(200)} 2>/dev/null | md5sum`,
  (r) => `echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=64k count=${5 + r(60)} 2>/dev/null | gzip -1 | wc -c`,
  (r) =>
    `(dd if=/dev/urandom of=/dev/vda bs=8k count=${20 + r(100)} conv=fsync 2>/dev/null &) ; seq 3000 | sort | md5sum; wait`,
  () => 'sync; cat /proc/interrupts /proc/meminfo | md5sum; cat /proc/uptime; date',
];

/** What was typed at random before is no part of the next command. */
const KILL_LINE = '\x15';
const KEYS = 'abc de/|;&\r\t\x03\x1b[A\x15ls\r$#<>';

/** One thing that comes from the keyboard, `afterMs` after the one before. */
export interface Keystrokes {
  readonly afterMs: number;
  readonly text: string;
}

/** Work for about `ms`, the same for a seed. */
export function mixedWork(seed: number, ms: number): Keystrokes[] {
  const random = randomNumbers(seed);
  const work: Keystrokes[] = [];
  for (let at = 0; at < ms; ) {
    const afterMs = random(250);
    at += afterMs;
    const kind = random(10);
    if (kind < 7) work.push({ afterMs, text: `${KILL_LINE}${COMMANDS[random(COMMANDS.length)]!(random)}\r` });
    else if (kind < 9) {
      const length = 1 + random(30);
      work.push({ afterMs, text: Array.from({ length }, () => KEYS[random(KEYS.length)]!).join('') });
    } else work.push({ afterMs, text: '\x03\x03\r' });
  }
  return work;
}
