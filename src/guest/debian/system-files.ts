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
import { AGENT_SCRIPT, AGENT_SCRIPT_PATH, WINDOW_SCRIPT } from '../init-script.ts';
import { CONFIGURE_SCRIPT } from './configure-script.ts';
import { ROOT_OWNED, type RootTree } from './root-tree.ts';
import { SCRIPT_HEAD } from './script-head.ts';

const INITTAB = `# Read by busybox's init.
::sysinit:/usr/lib/godwit/rc
::once:/usr/lib/godwit/window
ttyS0::respawn:/usr/lib/godwit/console
::once:/usr/lib/godwit/agent
::ctrlaltdel:/usr/sbin/reboot
::shutdown:/usr/lib/godwit/shutdown
`;

const RC = `${SCRIPT_HEAD}
mount_run
cat /etc/hostname > /proc/sys/kernel/hostname
ifconfig lo up
[ -x /etc/rc.local ] && /etc/rc.local
exit 0
`;

const CONSOLE = `${SCRIPT_HEAD}
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

const SHUTDOWN = `${SCRIPT_HEAD}
killall5 -15 2> /dev/null
sync
umount -a -r 2> /dev/null
mount -o remount,ro / 2> /dev/null
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
  await tree.addFile('usr/lib/godwit/window', WINDOW_SCRIPT, program);
  await tree.addFile('usr/lib/godwit/configure', CONFIGURE_SCRIPT, program);
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
