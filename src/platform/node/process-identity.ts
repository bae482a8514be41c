import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { errorCodeOf } from './host-error.ts';

/**
 * Enough to tell later whether a process is still there. Numbers of processes are used again, so their start counts
 * too.
 */
export interface ProcessIdentity {
  machine: string;
  boot: string;
  pidNamespace: string;
  pid: number;
  /** In ticks since the boot; empty where the system does not tell. */
  startTicks: string;
}

export type Liveness = 'alive' | 'dead' | 'unknown';

let own: Promise<ProcessIdentity> | undefined;

/** Nothing of it changes while the process lives. */
export function ownIdentity(): Promise<ProcessIdentity> {
  own ??= readOwnIdentity();
  return own;
}

async function readOwnIdentity(): Promise<ProcessIdentity> {
  const [machine, boot, pidNamespace, startTicks] = await Promise.all([
    readFile('/etc/machine-id', 'utf8').catch(() => hostname()),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
    startTicksOf(process.pid),
  ]);
  const identity = { machine: machine.trim() || hostname(), boot: boot.trim(), pidNamespace, pid: process.pid };
  return { ...identity, startTicks: startTicks ?? '' };
}

/** 'unknown' where the process is out of our sight: on another machine or in another container. */
export async function livenessOf(identity: ProcessIdentity): Promise<Liveness> {
  const own = await ownIdentity();
  if (identity.machine !== own.machine) return 'unknown';
  if (identity.boot !== own.boot) return 'dead';
  if (identity.pidNamespace !== own.pidNamespace) return 'unknown';
  if (!isRunning(identity.pid)) return 'dead';
  const startTicks = await startTicksOf(identity.pid);
  return startTicks === undefined || identity.startTicks === '' || startTicks === identity.startTicks
    ? 'alive'
    : 'dead';
}

/** Whether a process has a file open. `undefined` where the system does not tell. */
export async function hasFileOpen(pid: number, file: { dev: bigint; ino: bigint }): Promise<boolean | undefined> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => undefined);
  if (descriptors === undefined) return undefined;
  for (const descriptor of descriptors) {
    const found = await stat(`${folder}/${descriptor}`, { bigint: true }).catch(() => undefined);
    if (found !== undefined && found.dev === file.dev && found.ino === file.ino) return true;
  }
  return false;
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCodeOf(error) !== 'ESRCH';
  }
}

/** Field 22 of /proc/PID/stat. Field 2, the name, is in parentheses and may hold anything. */
async function startTicksOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}
