export const AGENT_SCRIPT_PATH = 'usr/lib/godwit/agent';

/** Starts the agent again when it ends. Status 78: the board has no port for it. */
export const AGENT_SCRIPT = `#!/bin/sh
while :; do
  setsid /usr/lib/godwit/godwit-agent
  [ $? = 78 ] && exit 0
  sleep 0.2
done
`;

const FOLDER = '/lib/godwit';
const SESSION = `${FOLDER}/session`;
const WINDOW = `${FOLDER}/window`;
/** A FIFO: where the session says how it ended. */
const ENDED = `${FOLDER}/ended`;

/**
 * The first program of the guest: `/init` of the initramfs, a script for busybox's shell, and the few files it reads.
 * What it does to get to the prompt is kept to two new processes, because each costs some three million instructions.
 *
 * Parameters of the kernel command line that it knows:
 *
 *     root=/dev/vda           mount this disk and start its init; with rootfstype=9p a 9p tag
 *     rootfstype= rootflags=  type (ext4 unless given) and options of that mount
 *     ro                      mount it read-only (it is read-write unless given)
 *     init=/sbin/init         the program to start there
 *     godwit.overlay          keep all changes to the root in memory: overlayfs with the disk below and a tmpfs above
 *     godwit.run="command"    run a command instead of a shell, then power off with its exit status
 *     godwit.size=24x80       rows and columns of the console
 *     TERM=xterm-256color     the kernel hands variables to init
 *
 * Folders that the host shares (virtio 9P) are mounted where their mount tags say, if those are absolute paths: below
 * the root that is started, if there is one.
 *
 * A file `/godwit/run` in an initrd appended to this one is run like `godwit.run`. The exit status of the command or
 * the shell reaches the host through the test finisher of the board (SiFive "sifive,test0": 0x3333 with the status in
 * the upper half says that it failed).
 */
const INIT_SCRIPT = `#!/bin/busybox sh
# Started by the kernel as process 1. Applets of busybox need no path: this shell knows them.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LOGNAME=root SHELL=/bin/sh
[ "$TERM" = linux ] && TERM=vt100
/bin/busybox mount -a
read -r cmdline < /proc/cmdline
# The command to run is taken out first: what stands in it is no parameter.
run=
case "$cmdline" in
*godwit.run=\\"*)
  run=\${cmdline#*godwit.run=\\"}
  cmdline="\${cmdline%%godwit.run=\\"*}\${run#*\\"}"
  run=\${run%%\\"*}
  ;;
esac
echo godwit > /proc/sys/kernel/hostname

# parameter NAME: puts its value into $value, without quotes; fails if it is not there.
parameter() {
  case " $cmdline " in
  *" $1=\\""*) value=" $cmdline"; value=\${value##* $1=\\"}; value=\${value%%\\"*} ;;
  *" $1="*) value=" $cmdline"; value=\${value##* $1=}; value=\${value%% *} ;;
  *) value=; return 1 ;;
  esac
}

# word NAME: whether it stands alone on the command line.
word() {
  case " $cmdline " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# finish STATUS: power off; the status reaches the host.
finish() {
  trap '' USR1 USR2 TERM
  sync
  # Setting a terminal's mode waits for what was printed on it.
  stty -F /dev/console -icanon 2> /dev/null
  grep -q '^/dev/' /proc/mounts && umount -a -r 2> /dev/null
  [ "$1" = 0 ] || devmem 0x100000 32 $((($1 << 16) | 0x3333)) 2> /dev/null
  poweroff -f
}

restart() {
  trap '' USR1 USR2 TERM
  sync
  grep -q '^/dev/' /proc/mounts && umount -a -r 2> /dev/null
  reboot -f
}

# Whether the board has a virtio slot in use: nodes that are there and not disabled.
has_virtio() {
  for node in /proc/device-tree/soc/virtio_mmio@* /proc/device-tree/virtio_mmio@*; do
    [ -d "$node" ] || continue
    [ -f "$node/status" ] || return 0
    read -r status < "$node/status"
    [ "$status" = disabled ] || return 0
  done
  return 1
}

load_drivers() {
  has_virtio || return
  modprobe -q virtio_mmio
  set --
  for device in /sys/bus/virtio/devices/*; do
    [ -e "$device/modalias" ] || continue
    read -r alias < "$device/modalias"
    set -- "$@" "$alias"
  done
  [ $# = 0 ] || modprobe -q -a "$@"
}

# mount_shares FOLDER: folders of the host, each at FOLDER and its mount tag, which is an absolute path.
mount_shares() {
  for device in /sys/bus/virtio/devices/*/mount_tag; do
    [ -e "$device" ] || return
    # It has no line end.
    tag=
    read -r tag < "$device"
    [ "$tag" = "$root" ] && continue
    case "$tag" in
    /*)
      modprobe -q 9p
      mkdir -p "$1$tag"
      mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none,nosuid,nodev "$tag" "$1$tag" ||
        echo "godwit: the shared folder for $tag could not be mounted"
      ;;
    esac
  done
}

# mount_root SOURCE FOLDER OPTIONS: waits a little for a disk that is not there yet.
mount_root() {
  tries=0
  case "$1" in
  /dev/*) until [ -b "$1" ] || [ $tries -ge 10 ]; do sleep 0.1; tries=$((tries + 1)); done ;;
  esac
  mount -t "$type" -o "$3" "$1" "$2"
}

start_root() {
  root=$value
  type=ext4
  parameter rootfstype && type=$value
  options=rw
  word ro && options=ro
  [ "$type" = 9p ] && options=$options,trans=virtio,version=9p2000.L
  parameter rootflags && options=$options,$value
  mkdir -p /newroot
  if word godwit.overlay; then
    mkdir -p /lower /upper
    mount_root "$root" /lower "ro\${options#r[ow]}" || return
    mount -t tmpfs upper /upper && mkdir /upper/files /upper/work || return
    mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /newroot || return
  else
    mount_root "$root" /newroot "$options" || return
  fi
  parameter init || value=/sbin/init
  if ! [ -x "/newroot$value" ] && ! [ -L "/newroot$value" ]; then
    echo "godwit: $root has no program $value"
    return
  fi
  # A Debian disk of godwit's that was made with another kernel gets this one's modules.
  modules=usr/lib/modules/$(uname -r)
  if [ -d /newroot/usr/lib/godwit ] && ! [ -d "/newroot/$modules" ]; then
    cp -r "/lib/modules/$(uname -r)" /newroot/usr/lib/modules/ 2> /dev/null
  fi
  mount_shares /newroot
  # Applets are found through /proc, so it goes last, and what follows names the program.
  for folder in sys dev proc; do
    mount --move /$folder /newroot/$folder || return
  done
  exec /bin/busybox switch_root /newroot "$value"
}

load_drivers
if parameter root; then
  start_root
  echo "godwit: the root $root could not be started; here is a shell instead"
fi
mount_shares ''

if parameter godwit.size; then
  stty -F /dev/console rows "\${value%x*}" cols "\${value#*x}"
fi
trap 'finish 0' USR1 USR2
trap restart TERM
cd /root
if [ -n "$run" ] || { parameter godwit.run && run=$value; }; then
  setsid cttyhack sh -c "$run" &
elif [ -f /godwit/run ]; then
  setsid cttyhack sh /godwit/run &
else
  read -r release < /proc/sys/kernel/osrelease
  echo "
Debian's Linux $release in godwit. \\"exit\\" or \\"poweroff\\" ends it."
  session=1
fi
main=$!
if [ -n "$session" ]; then
  # What a script puts in the background ignores interrupts for good, and Ctrl-C would stop nothing. In the foreground
  # it would keep process 1 from hearing that it is to reboot. So the session is no child of this shell. Its end comes
  # through a FIFO to a child that can be waited for; that is killed by no killall.
  (trap '' HUP TERM USR1 USR2; read -r status < ${ENDED} && exit "$status"; exit 1) &
  main=$!
  start-stop-daemon -S -b -p ${ENDED}.pid -a /bin/busybox -- setsid cttyhack sh ${SESSION}
fi
# What can wait until the shell is there.
(
  mkdir -p /dev/pts
  mount -t devpts -o nosuid,noexec,gid=5,mode=620 devpts /dev/pts
  ifconfig lo up
  busybox --install -s
  sh /${AGENT_SCRIPT_PATH} &
  exec setsid sh ${WINDOW}
) > /dev/null 2>&1 &
# Signals end the waiting; their traps power off or restart.
wait $main
finish $?
`;

/** The shell on the console, until it ends. */
const SESSION_SCRIPT = `#!/bin/busybox sh
exec 3> ${ENDED}
sh -l 3>&-
echo $? >&3
`;

/**
 * A serial line does not know the size of its terminal. The virtio console, which nobody need use, is told it: the
 * kernel then signals whoever has it as its controlling terminal.
 */
export const WINDOW_SCRIPT = `#!/bin/busybox sh
# Gives the console the size of the window that it is shown in, whenever that changes.
read -r cmdline < /proc/cmdline
case " $cmdline " in *" console=hvc0"*) exit ;; esac
[ -c /dev/hvc0 ] && exec < /dev/hvc0 || exit 0
# What the console has already. Of a machine that was started without a terminal only changes are followed.
last=
case " $cmdline " in *" godwit.size="*)
  last=\${cmdline##*godwit.size=}
  last=\${last%% *}
  last="\${last%x*} \${last#*x}"
  ;;
esac
follow() {
  size=$(stty size 2> /dev/null)
  [ "\${size:-$last}" = "$last" ] && return
  [ -n "$last" ] && stty -F /dev/console rows "\${size% *}" cols "\${size#* }"
  last=$size
}
trap 'signalled=1; follow' WINCH
follow
# Nobody writes there; a signal ends the reading.
signalled=
while read -r line || [ -n "$signalled" ]; do signalled=; done
`;

/** Read by `mount -a`: one new process mounts all. */
const FSTAB = `proc /proc proc nosuid,nodev,noexec 0 0
sysfs /sys sysfs nosuid,nodev,noexec 0 0
devtmpfs /dev devtmpfs nosuid 0 0
`;

/** Read by the login shell. */
const PROFILE = `PS1='\\u@\\h:\\w\\$ '
# The programs of these names tell process 1, and the shell would show one more prompt meanwhile.
ending() {
  sync
  grep -q '^/dev/' /proc/mounts && umount -a -r 2> /dev/null
  stty -F /dev/console -icanon 2> /dev/null
  busybox "$1" -f
}
poweroff() { ending poweroff; }
halt() { ending poweroff; }
reboot() { ending reboot; }
`;

/** Tried by `mount` when it is given no type; the kernel loads the module. ext4 does for ext3 and ext2 as well. */
const FILESYSTEMS = 'ext4\n';

interface GuestFile {
  readonly name: string;
  readonly content: string;
  readonly permissions: number;
}

/** All that is ours in the initramfs. */
export const GUEST_FILES: readonly GuestFile[] = [
  { name: 'init', content: INIT_SCRIPT, permissions: 0o755 },
  { name: SESSION.slice(1), content: SESSION_SCRIPT, permissions: 0o755 },
  { name: WINDOW.slice(1), content: WINDOW_SCRIPT, permissions: 0o755 },
  { name: AGENT_SCRIPT_PATH, content: AGENT_SCRIPT, permissions: 0o755 },
  { name: 'etc/fstab', content: FSTAB, permissions: 0o644 },
  { name: 'etc/filesystems', content: FILESYSTEMS, permissions: 0o644 },
  { name: 'etc/profile', content: PROFILE, permissions: 0o644 },
];
