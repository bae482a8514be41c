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
export const INIT_SCRIPT = `#!/bin/busybox sh
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
shell=$!
# What can wait until the shell is there.
(mkdir -p /dev/pts; mount -t devpts -o nosuid,noexec,gid=5,mode=620 devpts /dev/pts; ifconfig lo up; busybox --install -s) > /dev/null 2>&1 &
# In the foreground: what a script puts in the background ignores interrupts for good, and Ctrl-C would stop nothing.
if [ -n "$session" ]; then
  setsid cttyhack sh -l
  finish $?
fi
wait $shell
finish $?
`;

/** Read by `mount -a`: one new process mounts all. */
export const FSTAB = `proc /proc proc nosuid,nodev,noexec 0 0
sysfs /sys sysfs nosuid,nodev,noexec 0 0
devtmpfs /dev devtmpfs nosuid 0 0
`;

/** Read by the login shell. */
export const PROFILE = `PS1='\\u@\\h:\\w\\$ '
# Process 1 waits for this shell, so it would not hear of these before the shell ends.
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
