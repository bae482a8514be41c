/**
 * Debian packages that tests use: QEMU and its disk tools as oracles, cross compilers for guest programs, firmware.
 * They are installed when that needs no question; else the command is printed, and the tests that need them say that
 * they are skipped.
 */
import { existsSync } from 'node:fs';
import { during, findProgram, lastLines, run, say, statusOf } from './common.mjs';

/** What each package is recognised by: a program, or a file. So programs that came another way do as well. */
const WANTED = {
  'qemu-system-misc': 'qemu-system-riscv64',
  'qemu-utils': 'qemu-img',
  'gcc-riscv64-linux-gnu': 'riscv64-linux-gnu-gcc',
  'libc6-dev-riscv64-cross': '/usr/riscv64-linux-gnu/include/stdio.h',
  'gcc-riscv64-unknown-elf': 'riscv64-unknown-elf-gcc',
  'gdb-multiarch': 'gdb-multiarch',
  'device-tree-compiler': 'dtc',
  e2fsprogs: 'debugfs',
  opensbi: '/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin',
  'u-boot-qemu': '/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin',
  cpio: 'cpio',
  // For building Berkeley TestFloat (tools/testfloat.mjs).
  gcc: 'gcc',
  'libc6-dev': '/usr/include/stdio.h',
  make: 'make',
  'xz-utils': 'xz',
  // For the tests of core and services in a browser.
  chromium: 'chromium',
};

export function missingPackages() {
  return Object.entries(WANTED)
    .filter(([, mark]) => (mark.startsWith('/') ? !existsSync(mark) : findProgram(mark) === undefined))
    .map(([name]) => name);
}

/** How to become root without a question: nothing to put before a command, `sudo`, or undefined. */
function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  const sudo = findProgram('sudo');
  return sudo !== undefined && statusOf(sudo, ['-n', 'true']) === 0 ? [sudo, '-n'] : undefined;
}

const APT_OPTIONS = ['-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=600', '-o', 'APT::Color=0'];
const LOCK_TRIES = 60;
const LOCK_WAIT_MS = 5000;

/** Runs apt-get; while another apt holds the package lists, for which apt has no waiting of its own, tries again. */
async function aptGet(prefix, args) {
  const command = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C.UTF-8', 'apt-get', ...args];
  for (let tries = 1; ; tries++) {
    const result = await run(command[0], command.slice(1));
    const isLocked = result.status !== 0 && /Could not get lock/.test(result.output);
    if (!isLocked || tries === LOCK_TRIES) return result;
    if (tries === 1) say('waiting for another apt to finish');
    await new Promise((resolve) => setTimeout(resolve, LOCK_WAIT_MS));
  }
}

async function install(prefix, packages) {
  const first = await aptGet(prefix, ['install', ...APT_OPTIONS, ...packages]);
  if (first.status === 0) return first;
  // Most often the package lists are missing or old.
  const update = await aptGet(prefix, ['update', '-q']);
  return update.status === 0 ? aptGet(prefix, ['install', ...APT_OPTIONS, ...packages]) : update;
}

function printCommand(packages) {
  say(`tests that need these packages will be skipped; to install them:
  sudo apt-get update
  sudo apt-get install --no-install-recommends ${packages.join(' ')}`);
}

/** Never fails: what is missing afterwards is reported by the tests. */
export async function preparePackages() {
  const packages = missingPackages();
  if (packages.length === 0) return;
  if (findProgram('apt-get') === undefined) {
    say(`this machine has no apt; tests that need ${packages.join(', ')} will be skipped`);
    return;
  }
  const prefix = rootPrefix();
  if (prefix === undefined) {
    printCommand(packages);
    return;
  }
  const { status, output } = await during(`installing ${packages.join(' ')} with apt`, () => install(prefix, packages));
  if (status !== 0) say(`apt-get failed. It said:\n${lastLines(output)}`);
  const stillMissing = missingPackages();
  if (stillMissing.length > 0) printCommand(stillMissing);
}
