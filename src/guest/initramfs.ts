/**
 * The initramfs: busybox, `/init`, and the modules that the board's devices need. It is an uncompressed archive: the
 * host copies it into the guest's memory in a few milliseconds, while the guest would spend some forty million
 * instructions on unpacking a gzip of it.
 */
import { AGENT_PROGRAM, agentProgram } from './agent.ts';
import { type CpioEntry, writeCpio } from './cpio.ts';
import { GUEST_FILES } from './init-script.ts';
import { directory, file, link } from './initramfs-entries.ts';
import { type LoadedModule, modprobeFiles } from './modules.ts';

/** What an initramfs is made of. */
export interface InitramfsParts {
  kernelVersion: string;
  busybox: Uint8Array;
  /** In loading order, stripped. */
  modules: readonly LoadedModule[];
}

function baseEntries(busybox: Uint8Array): CpioEntry[] {
  return [
    ...[
      'bin',
      'sbin',
      'usr',
      'usr/bin',
      'usr/sbin',
      'usr/lib',
      'usr/lib/godwit',
      'etc',
      'dev',
      'proc',
      'sys',
      'lib',
      'lib/godwit',
      'lib/modules',
      'mnt',
      'run',
      'var',
    ].map((name) => directory(name)),
    directory('root', 0o700),
    directory('tmp', 0o1777),
    // The kernel opens it for init before anything is mounted.
    { type: 'character', name: 'dev/console', permissions: 0o600, major: 5, minor: 1 },
    file('bin/busybox', busybox, 0o755),
    link('bin/sh', 'busybox'),
    link('usr/bin/env', '/bin/busybox'),
    // The kernel calls it for file systems that are not loaded yet.
    link('sbin/modprobe', '/bin/busybox'),
    file(AGENT_PROGRAM, agentProgram(), 0o755),
    ...GUEST_FILES.map(({ name, content, permissions }) => file(name, content, permissions)),
    // By which the session's end reaches process 1.
    { type: 'fifo', name: 'lib/godwit/ended', permissions: 0o600 },
    file('etc/passwd', 'root::0:0:root:/root:/bin/sh\n'),
    file('etc/group', 'root:x:0:\ntty:x:5:\n'),
    file('etc/hosts', '127.0.0.1 localhost godwit\n'),
    link('etc/mtab', '/proc/mounts'),
  ];
}

function moduleEntries(kernelVersion: string, modules: readonly LoadedModule[]): CpioEntry[] {
  const base = `lib/modules/${kernelVersion}`;
  const flat = modules.map((module) => ({ ...module, path: `${module.info.name}.ko` }));
  const { dep, alias } = modprobeFiles(flat);
  return [
    directory(base),
    ...flat.map((module) => file(`${base}/${module.path}`, module.content)),
    file(`${base}/modules.dep`, dep),
    file(`${base}/modules.alias`, alias),
    file(`${base}/modules.symbols`, ''),
  ];
}

/** The archive; the same parts give the same bytes. */
export function buildInitramfs(parts: InitramfsParts): Uint8Array {
  return writeCpio([...baseEntries(parts.busybox), ...moduleEntries(parts.kernelVersion, parts.modules)]);
}
