/**
 * The script that configures the packages once, as process 1 of the root disk's first boot. Lines that it prints itself
 * begin with "godwit:"; those that begin with "godwit: now " say what it does next.
 *
 * Most of the work would be programs that a new system needs not, or not once for each package: they are replaced while
 * dpkg runs. A start of Perl or Python costs some hundred million instructions.
 *
 * - Maintainer scripts have units enabled by deb-systemd-helper and links made by update-rc.d, in thirty starts of
 *   Perl. What they ask for is noted, and one Perl does it all at the end.
 * - invoke-rc.d would ask our policy whether it may start a service, and hear that it may not.
 * - dpkg-maintscript-helper does nothing unless an older version of the package is replaced.
 * - Python's scripts would compile its whole library. Modules are compiled when they are first imported; the commonest
 *   are imported once at the end.
 */
import { SCRIPT_HEAD } from './script-head.ts';

/** Modules of Python's library that are compiled on the disk, with all that they import. */
const PYTHON_MODULES = [
  ...['argparse', 'base64', 'collections', 'datetime', 'functools', 'hashlib', 'json', 'pathlib', 'random', 're'],
  ...['shutil', 'subprocess', 'tempfile'],
].join(', ');

/** Notes what is asked for, with the package that asks. */
const NOTING = `#!/bin/sh
echo "$DPKG_MAINTSCRIPT_PACKAGE $0 $*" >> /run/noted
`;

/** On a new system nothing is masked, and all is to be enabled. */
const NOTING_UNITS = `#!/bin/sh
case " $* " in
*" enable "* | *" update-state "* | *" reenable "*) echo "$DPKG_MAINTSCRIPT_PACKAGE $0 $*" >> /run/noted ;;
esac
`;

const NOTHING = `#!/bin/sh
exit 0
`;

/** Does what was noted: each program in a child of one Perl, which has its modules loaded already. */
const DO_NOTED = `use strict;
use warnings;
use File::Basename;
use File::Path;
use File::Temp;
use Getopt::Long;
use Data::Dumper;
open my $noted, "<", "/run/noted" or exit 0;
while (my $line = <$noted>) {
  my ($package, $program, @arguments) = split " ", $line;
  my $child = fork // die "fork: $!";
  if ($child == 0) {
    $ENV{DPKG_MAINTSCRIPT_PACKAGE} = $package;
    @ARGV = @arguments;
    $0 = $program;
    do $program;
    die $@ if $@;
    exit 0;
  }
  waitpid $child, 0;
  die "$line failed" if $?;
}
`;

export const CONFIGURE_SCRIPT = `${SCRIPT_HEAD}
export HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1
info=/var/lib/dpkg/info

fail() {
  echo "godwit: $1"
  finish 1
}

# replace PROGRAM: until "restore", what comes on standard input stands in its place.
replace() {
  [ -e "$1" ] || fail "there is no $1"
  mkdir -p /run/replaced
  cat > "/run/replaced/\${1##*/}"
  chmod 755 "/run/replaced/\${1##*/}"
  mount --bind "/run/replaced/\${1##*/}" "$1"
  replaced="$replaced $1"
}

restore() {
  for program in $replaced; do umount "$program" || fail "$program is in use"; done
}

# A script that removes itself while it is read would keep the disk from being unmounted.
if [ "$0" != /run/configure ]; then
  mount_run
  cp "$0" /run/configure
  exec busybox sh /run/configure
fi
# Nothing here has to outlive a power failure.
mount -o remount,nobarrier,noatime /
# Services have nothing to run under here.
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
replaced=
replace /usr/bin/deb-systemd-helper << 'end'
${NOTING_UNITS}end
replace /usr/sbin/update-rc.d << 'end'
${NOTING}end
for program in /usr/sbin/invoke-rc.d /usr/bin/dpkg-maintscript-helper /usr/bin/py3compile; do
  replace $program << 'end'
${NOTHING}end
done
# Keys are removed again below; that they are there keeps the ssh server's script from making some.
for kind in rsa ecdsa ed25519; do : > /etc/ssh/ssh_host_\${kind}_key; done
compiler=$(echo /usr/lib/python3.*/py_compile.py)
replace $compiler << 'end'
import sys; sys.argv[1:] == ["-"] and sys.stdin.read()
end

echo "godwit: now Preparing the packages"
while read -r package; do
  DPKG_MAINTSCRIPT_PACKAGE=\${package%:*} DPKG_MAINTSCRIPT_ARCH=riscv64 $info/$package.preinst install < /dev/null ||
    fail "the script preinst of $package failed"
done < /usr/lib/godwit/preinst-order
unset DPKG_MAINTSCRIPT_NAME DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT
/usr/bin/dpkg --configure -a --force-confdef --force-confold < /dev/null || fail "dpkg --configure failed"
restore
rm -f "\${compiler%/*}"/__pycache__/py_compile.*

echo "godwit: now Enabling services"
perl << 'end' || fail "the services could not be enabled"
${DO_NOTED}end
echo "godwit: now Compiling Python's library"
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
