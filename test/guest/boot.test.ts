import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { readCpio } from '../../src/guest/cpio.ts';
import { initramfsWithFiles, QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { cachedGuest } from './cached-guest.ts';
import { hasQemu, QEMU_NEEDED, Qemu, type QemuOptions } from './qemu.ts';

const BOOT_LIMIT_MS = 120_000;
const PROMPT = ':~# ';
const guest = hasQemu ? await cachedGuest() : undefined;
const hasMke2fs = spawnSync('mke2fs', ['-V']).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'godwit-boot-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let machine: Qemu | undefined;
afterEach(() => machine?.kill());

function boot(append: string, more: Partial<QemuOptions> = {}): Qemu {
  machine = new Qemu({
    kernelPath: guest!.kernelPath,
    initramfsPath: guest!.initramfsPath,
    append: `console=ttyS0 panic=-1 ${QUICK_BOOT_PARAMETERS.join(' ')} ${append}`,
    ...more,
  });
  return machine;
}

describe.skipIf(guest === undefined)(`the guest in QEMU (${QEMU_NEEDED})`, () => {
  it('gives a shell with job control, and powers off when it ends', { timeout: BOOT_LIMIT_MS }, async () => {
    const started = performance.now();
    const vm = boot('godwit.size=33x101');
    await vm.waitFor(PROMPT);
    console.log(`prompt in QEMU after ${((performance.now() - started) / 1000).toFixed(2)} s`);
    vm.write('echo $((6*7)) $(hostname) $(tty) $(stty size); sleep 9 & jobs; kill %1\n');
    await vm.waitFor('42 godwit /dev/ttyS0 33 101');
    await vm.waitFor('Running');
    vm.write('exit 0\n');
    expect(await vm.status()).toBe(0);
  });

  it('runs a command and hands on its status', { timeout: BOOT_LIMIT_MS }, async () => {
    const vm = boot('godwit.run="echo it runs: root=/dev/vda; exit 23"');
    expect(await vm.status()).toBe(23);
    expect(vm.text).toContain('it runs: root=/dev/vda');
    expect(vm.text).not.toContain('could not be started');
  });

  it('runs a script from an appended archive, and stops at poweroff', { timeout: BOOT_LIMIT_MS }, async () => {
    const initramfsPath = join(folder, 'with-script.cpio');
    writeFileSync(
      initramfsPath,
      await initramfsWithFiles(guest!.initramfsPath, { 'godwit/run': 'echo from a file\npoweroff\nsleep 60\n' }),
    );
    const vm = boot('', { initramfsPath });
    expect(await vm.status()).toBe(0);
    expect(vm.text).toContain('from a file');
  });

  it('gives a shell and the reason when the root can not be started', { timeout: BOOT_LIMIT_MS }, async () => {
    const vm = boot('root=/dev/vdz rootfstype=ext4');
    await vm.waitFor('here is a shell instead');
    await vm.waitFor(PROMPT);
    vm.write('poweroff\n');
    expect(await vm.status()).toBe(0);
  });

  it.skipIf(!hasMke2fs)(
    'starts a root on a disk, under an overlay, with every driver',
    { timeout: BOOT_LIMIT_MS },
    async () => {
      const image = makeRootImage();
      const shared = join(folder, 'shared');
      mkdirSync(shared);
      writeFileSync(join(shared, 'greeting'), 'hello from the host\n');
      const vm = boot('root=/dev/vda godwit.overlay init=/sbin/check', {
        extra: [
          ...['-drive', `file=${image},format=raw,if=none,id=d0,readonly=on`, '-device', 'virtio-blk-device,drive=d0'],
          ...['-netdev', 'user,id=n0', '-device', 'virtio-net-device,netdev=n0'],
          ...['-device', 'virtio-rng-device'],
          ...['-fsdev', `local,id=f0,path=${shared},security_model=none,readonly=on`],
          ...['-device', 'virtio-9p-device,fsdev=f0,mount_tag=share'],
        ],
      });
      const status = await vm.status();
      expect(vm.text).toContain('check: overlay on /');
      expect(vm.text).toContain('check: hello from the host');
      expect(vm.text).toContain('check: eth0');
      expect(vm.text).toContain('check: virtio_rng');
      expect(status).toBe(5);
    },
  );
});

const CHECK_PROGRAM = `#!/bin/busybox sh
echo written > /file && sync
grep ' / ' /proc/mounts | { read -r device where rest; echo "check: $device on $where"; }
mkdir /mnt && mount -t 9p -o trans=virtio,version=9p2000.L share /mnt
echo "check: $(cat /mnt/greeting)"
echo "check: $(ls /sys/class/net)"
echo "check: $(cat /sys/class/misc/hw_random/rng_current)"
[ -f /file ] && devmem 0x100000 32 $(((5 << 16) | 0x3333))
`;

/** An ext4 disk with busybox, the kernel's modules and a program that looks around. */
function makeRootImage(): string {
  const root = join(folder, 'root');
  for (const name of ['bin', 'sbin', 'proc', 'sys', 'dev']) mkdirSync(join(root, name), { recursive: true });
  for (const entry of readCpio(readFileSync(guest!.initramfsPath))) {
    if (entry.type !== 'file' || !/^(bin\/busybox|lib\/modules\/.*)$/.test(entry.name)) continue;
    mkdirSync(join(root, entry.name, '..'), { recursive: true });
    writeFileSync(join(root, entry.name), entry.content);
    chmodSync(join(root, entry.name), 0o755);
  }
  cpSync(join(root, 'bin/busybox'), join(root, 'sbin/modprobe'));
  writeFileSync(join(root, 'sbin/check'), CHECK_PROGRAM);
  chmodSync(join(root, 'sbin/check'), 0o755);
  const image = join(folder, 'root.raw');
  const made = spawnSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-d', root, image, '64M']);
  expect(made.status, made.stderr.toString()).toBe(0);
  return image;
}
