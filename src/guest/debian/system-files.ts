/**
 * The files that godwit itself puts on the root disk: how it boots, and the script that configures the packages once.
 *
 * Process 1 is busybox's init. Compared with systemd it lacks units, timers and a journal; `apt install systemd-sysv`
 * brings those. What it gives: /usr/lib/godwit/rc (file systems, loopback, host name, /etc/rc.local), a root shell on
 * the serial console, `service NAME start` for packages with a script in /etc/init.d, and a clean power-off. Nothing is
 * started by itself: `service ssh start` starts the ssh server, and makes its host keys, since two machines must not
 * share them.
 */
import { AGENT_PROGRAM, agentProgram } from '../agent.ts';
import { AGENT_SCRIPT, AGENT_SCRIPT_PATH } from '../init-script.ts';
import { ROOT_OWNED, type RootTree } from './root-tree.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const INITTAB = `# Read by busybox's init.
::sysinit:/usr/lib/godwit/rc
ttyS0::respawn:/usr/lib/godwit/console
::once:/usr/lib/godwit/agent
::ctrlaltdel:/usr/sbin/reboot
::shutdown:/usr/lib/godwit/shutdown
`;

/** Parts that several scripts share. */
const COMMON = `#!/bin/busybox sh
export PATH=${PATH} LANG=C.UTF-8

# parameter NAME: puts the value of a kernel parameter into $value, without quotes; fails if it is not there.
parameter() {
  read -r cmdline < /proc/cmdline
  case " $cmdline " in
  *" $1=\\""*) value=" $cmdline"; value=\${value##* $1=\\"}; value=\${value%%\\"*} ;;
  *" $1="*) value=" $cmdline"; value=\${value##* $1=}; value=\${value%% *} ;;
  *) value=; return 1 ;;
  esac
}

mount_run() {
  mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
  mkdir -p /run/lock /dev/pts /dev/shm
  chmod 1777 /run/lock
  mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
}

# finish STATUS: everything to the disk, then power off; the status reaches the host through the board's test finisher.
finish() {
  sync
  mount -o remount,ro / 2> /dev/null
  [ "$1" = 0 ] || devmem 0x100000 32 $((($1 << 16) | 0x3333))
  poweroff -f
}
`;

const RC = `${COMMON}
mount_run
cat /etc/hostname > /proc/sys/kernel/hostname
ifconfig lo up
[ -x /etc/rc.local ] && /etc/rc.local
exit 0
`;

const CONSOLE = `${COMMON}
export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash
[ "$TERM" = linux ] && TERM=vt220
cd /root
read -r cmdline < /proc/cmdline
case "$cmdline" in
*godwit.run=\\"*)
  run=\${cmdline#*godwit.run=\\"}
  /bin/bash -lc "\${run%%\\"*}"
  finish $?
  ;;
esac
parameter godwit.size && stty rows "\${value%x*}" cols "\${value#*x}"
if parameter godwit.run; then
  /bin/bash -lc "$value"
  finish $?
fi
exec /bin/bash -l
`;

/** For those who install systemd. */
const AGENT_UNIT = `[Unit]
Description=Runs commands and copies files for the host of this machine
ConditionPathIsDirectory=/sys/class/virtio-ports

[Service]
ExecStart=/usr/lib/godwit/godwit-agent
Restart=always
RestartSec=200ms
RestartPreventExitStatus=78
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`;
const UNITS = 'usr/lib/systemd/system';

const SHUTDOWN = `${COMMON}
killall5 -15 2> /dev/null
sync
umount -a -r 2> /dev/null
mount -o remount,ro / 2> /dev/null
`;

/** Modules of Python's library that are compiled on the disk, with all that they import. */
const PYTHON_MODULES = [
  ...[
    'argparse',
    'asyncio',
    'base64',
    'collections',
    'configparser',
    'csv',
    'ctypes',
    'dataclasses',
    'datetime',
    'decimal',
  ],
  ...[
    'email.message',
    'fractions',
    'functools',
    'glob',
    'gzip',
    'hashlib',
    'http.server',
    'inspect',
    'json',
    'logging',
  ],
  ...['multiprocessing', 'pathlib', 'pickle', 'platform', 'pprint', 'random', 'shutil', 'socket', 'sqlite3', 'ssl'],
  ...['statistics', 'subprocess', 'tarfile', 'tempfile', 'threading', 'timeit', 'traceback', 'typing', 'unittest'],
  ...['urllib.request', 'uuid', 'xml.etree.ElementTree', 'zipfile', '_pyrepl.main', 'rlcompleter'],
].join(', ');

/** Runs once, as process 1. Lines that it prints itself begin with "godwit:". */
const CONFIGURE = `${COMMON}
export HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
info=/var/lib/dpkg/info

fail() {
  echo "godwit: $1"
  finish 1
}

# A script that removes itself while it is read would keep the disk from being unmounted.
if [ "$0" != /run/configure ]; then
  mount_run
  cp "$0" /run/configure
  exec busybox sh /run/configure
fi
# Services have nothing to run under here.
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
while read -r package; do
  DPKG_MAINTSCRIPT_PACKAGE=\${package%:*} DPKG_MAINTSCRIPT_ARCH=riscv64 $info/$package.preinst install < /dev/null ||
    fail "the script preinst of $package failed"
done < /usr/lib/godwit/preinst-order
unset DPKG_MAINTSCRIPT_NAME DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT
# Keys are removed again below; that they are there keeps the ssh server's script from making some.
for kind in rsa ecdsa ed25519; do : > /etc/ssh/ssh_host_\${kind}_key; done
# Python's scripts would compile its whole library, a third of all the work here. An empty compiler leaves that to the
# first import of each module, and what programs commonly import is done below.
compiler=$(echo /usr/lib/python3.*/py_compile.py)
echo 'import sys; sys.argv[1:] == ["-"] and sys.stdin.read()' > /run/py_compile.py
mount --bind /run/py_compile.py "$compiler"
/usr/bin/dpkg --configure -a --force-confdef --force-confold < /dev/null || fail "dpkg --configure failed"
umount "$compiler"
rm -f "\${compiler%/*}"/__pycache__/py_compile.*
python3 -c 'import ${PYTHON_MODULES}' || fail "python3 does not work"
for folder in /usr/lib/modules/*; do /usr/sbin/depmod -a "\${folder##*/}" 2> /dev/null; done

rm -f /usr/sbin/policy-rc.d /usr/lib/godwit/configure /usr/lib/godwit/preinst-order
# Machines made from this disk must not share keys.
rm -f /etc/ssh/ssh_host_*
echo '
# Host keys are made at the first start, so that machines made from one disk do not share them.
ls /etc/ssh/ssh_host_*_key > /dev/null 2>&1 || ssh-keygen -A > /dev/null' >> /etc/default/ssh
rm -rf /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/alternatives.log /var/log/dpkg.log /var/cache/ldconfig/aux-cache
echo "godwit: configured"
umount /dev/shm
fstrim / > /dev/null 2>&1
finish 0
`;

const APT_CONFIGURATION = `APT::Install-Recommends "false";
Acquire::Languages "none";
`;

function aptSources(mirror: string, suite: string): string {
  return `Types: deb
URIs: ${mirror}
Suites: ${suite} ${suite}-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;
}

export const CONFIGURE_PROGRAM = '/usr/lib/godwit/configure';

export interface SystemFileOptions {
  mirror: string;
  suite: string;
  /** Info names of the packages with a preinst script, in the order to run them. */
  preinstOrder: readonly string[];
}

/** Adds them. What a package brings is left alone, except for what no package brings before it is configured. */
export async function addSystemFiles(tree: RootTree, options: SystemFileOptions): Promise<void> {
  const program = { permissions: 0o755 };
  await tree.addFile('usr/lib/godwit/rc', RC, program);
  await tree.addFile('usr/lib/godwit/console', CONSOLE, program);
  await tree.addFile('usr/lib/godwit/shutdown', SHUTDOWN, program);
  await tree.addFile('usr/lib/godwit/configure', CONFIGURE, program);
  await tree.addFile('usr/lib/godwit/preinst-order', options.preinstOrder.map((name) => `${name}\n`).join(''));
  await tree.addFile('etc/inittab', INITTAB);
  await tree.addFile(AGENT_PROGRAM, agentProgram(), program);
  await tree.addFile(AGENT_SCRIPT_PATH, AGENT_SCRIPT, program);
  await tree.addFile(`${UNITS}/godwit-agent.service`, AGENT_UNIT);
  await tree.addSymlink(
    'etc/systemd/system/multi-user.target.wants/godwit-agent.service',
    `/${UNITS}/godwit-agent.service`,
  );
  for (const name of ['init', 'poweroff', 'reboot', 'halt'])
    await tree.addSymlink(`usr/sbin/${name}`, '../bin/busybox');
  await tree.addFile('etc/fstab', '/dev/vda / ext4 defaults 0 1\n');
  await tree.addFile('etc/hostname', 'godwit\n');
  await tree.addFile('etc/hosts', '127.0.0.1 localhost\n127.0.1.1 godwit\n::1 localhost ip6-localhost\n');
  await tree.addFile('etc/resolv.conf', '');
  await tree.addFile('etc/apt/apt.conf.d/90godwit', APT_CONFIGURATION);
  await tree.addFile('etc/apt/sources.list.d/debian.sources', aptSources(options.mirror, options.suite));
  for (const name of ['proc', 'sys', 'dev', 'run', 'mnt']) {
    await tree.addDirectory(name, { ...ROOT_OWNED, permissions: 0o755 });
  }
}
