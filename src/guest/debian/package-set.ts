/** Which packages the root disks hold. */

/**
 * What is asked for; apt adds what they depend on. There is no systemd: starting it would cost more instructions than
 * all the rest of a boot, and busybox's init does what a machine of this kind needs (docs in system-files.ts). A person
 * who wants it runs `apt install systemd-sysv` in the guest.
 */
export const DEBIAN_PACKAGES: readonly string[] = [
  '?essential',
  ...['apt', 'python3', 'perl', 'sqlite3', 'openssl', 'openssh-server'],
  // openssh-server wants something that makes its user, and would take all of systemd for it.
  'systemd-standalone-sysusers',
  ...['busybox-static', 'mount', 'e2fsprogs', 'kmod', 'iproute2', 'netbase', 'procps', 'less'],
];

/** The disks that are built. "bench" is for the benchmarks' programs, so that nobody else's disk holds a compiler. */
export const DEBIAN_VARIANTS = {
  usual: DEBIAN_PACKAGES,
  bench: [...DEBIAN_PACKAGES, 'gcc', 'libc6-dev', 'xz-utils'],
} as const satisfies Readonly<Record<DebianVariant, readonly string[]>>;
/** 'usual', or the benchmarks' own with a compiler. */
export type DebianVariant = 'usual' | 'bench';
