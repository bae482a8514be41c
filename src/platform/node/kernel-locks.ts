/**
 * Locks that other programs have taken of the kernel, as Linux shows them to all in /proc/locks. QEMU locks single
 * bytes of its images: byte 100 + N while it does what permission N stands for, and byte 200 + N while others must not
 * (file-posix.c).
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import type { LockMode } from './lock-entries.ts';

export interface KernelLock {
  /** -1: the kernel does not tell. */
  readonly pid: number;
  readonly writes: boolean;
}

interface HostFile {
  readonly dev: bigint;
  readonly ino: bigint;
}

interface Line {
  readonly kind: string;
  readonly isExclusive: boolean;
  readonly pid: number;
  readonly first: number;
  readonly last: number;
}

/**
 * Such as "1: OFDLCK ADVISORY  READ -1 fe:00:2146337 100 101". Those who wait for a lock have an arrow, and hold
 * nothing.
 */
const LINE = /^\d+: (OFDLCK|POSIX|FLOCK) +\S+ +(READ|WRITE) (-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) (\d+) (\d+|EOF)$/;

const QEMU_WRITES = [101, 103];
const QEMU_LETS_NOBODY_READ = 200;

/** Undefined also where the system does not tell. */
export async function kernelLockInTheWay(file: HostFile, mode: LockMode): Promise<KernelLock | undefined> {
  const locks = linesFor(file, await readFile('/proc/locks', 'latin1').catch(() => ''));
  const writers = locks.filter(isWriting);
  const [found] = mode === 'exclusive' ? [...writers, ...locks] : writers;
  return found && { pid: found.pid, writes: writers.includes(found) };
}

function linesFor({ dev, ino }: HostFile, text: string): Line[] {
  const wanted = `${majorOf(dev)}:${minorOf(dev)}:${ino}`;
  return text.split('\n').flatMap((line) => {
    const [, kind, type, pid, major, minor, inode, first, last] = LINE.exec(line) ?? [];
    if (kind === undefined) return [];
    if (`${Number.parseInt(major!, 16)}:${Number.parseInt(minor!, 16)}:${inode}` !== wanted) return [];
    const range = { first: Number(first), last: last === 'EOF' ? Infinity : Number(last) };
    return [{ kind, isExclusive: type === 'WRITE', pid: Number(pid), ...range }];
  });
}

function isWriting(lock: Line): boolean {
  if (lock.isExclusive) return true;
  if (lock.kind !== 'OFDLCK') return false;
  return [...QEMU_WRITES, QEMU_LETS_NOBODY_READ].some((byte) => lock.first <= byte && byte <= lock.last);
}

/** As makedev(3) puts them together. */
function majorOf(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
}

function minorOf(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
}

/** The process that has a lock, if we may look at it. */
export async function programWithLock(
  file: HostFile,
  { pid }: KernelLock,
): Promise<{ pid: number; name: string } | undefined> {
  const pids = pid > 0 ? [String(pid)] : (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const each of pids) {
    if (!(await hasLocked(each, file))) continue;
    const name = await readFile(`/proc/${each}/comm`, 'utf8').catch(() => '');
    return { pid: Number(each), name: name.trim() || 'another program' };
  }
  return undefined;
}

async function hasLocked(pid: string, { dev, ino }: HostFile): Promise<boolean> {
  for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const found = await stat(`/proc/${pid}/fd/${descriptor}`, { bigint: true }).catch(() => undefined);
    if (found?.dev !== dev || found.ino !== ino) continue;
    const info = await readFile(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1').catch(() => '');
    if (/^lock:/m.test(info)) return true;
  }
  return false;
}
