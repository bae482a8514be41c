# A guest's self-test: runs in the guest's busybox shell and prints one line for each check, then the verdict.
failures=0
check() {
  if [ "$2" = "$3" ]; then echo "ok $1"; else echo "not ok $1: got '$2', wanted '$3'"; failures=$((failures + 1)); fi
}

# Files
mkdir -p /tmp/t && cd /tmp/t
i=0; while [ $i -lt 300 ]; do echo "$i" > "file$i"; i=$((i + 1)); done
check "300 files" "$(cat file* | sort -n | tail -n 1) $(ls | wc -l)" "299 300"
ln -s file7 link && mv file8 moved && rm file9
check "links and renames" "$(cat link moved) $(ls file9 2>/dev/null)" "7
8 "
check "sorting" "$(seq 1 5000 | sort -r | sort -n | md5sum | cut -c1-32)" "$(seq 1 5000 | md5sum | cut -c1-32)"
check "compression" "$(seq 1 20000 | gzip -c | gunzip -c | sha256sum | cut -c1-16)" "$(seq 1 20000 | sha256sum | cut -c1-16)"

# Processes and pipes
i=0; while [ $i -lt 2000 ]; do /bin/true; i=$((i + 1)); done
check "2000 forks and execs" "$i" "2000"
check "a pipeline" "$(seq 1 1000 | while read -r n; do echo $((n * n)); done | awk '{ s += $1 } END { print s }')" "333833500"
(exit 37); check "exit status" "$?" "37"

# Signals
sh -c 'trap "echo caught; exit 3" TERM; while :; do sleep 0.1; done' > signal & child=$!
sleep 0.5; kill -TERM $child; wait $child
check "a signal that is caught" "$? $(cat signal)" "3 caught"
sleep 100 & child=$!
kill -KILL $child; wait $child 2>/dev/null
check "a signal that kills" "$?" "137"

# Floating point
check "a sum of halves" "$(awk 'BEGIN { s = 0; for (i = 1; i <= 1000; i++) s += 1 / i; printf "%.12f", s }')" "7.485470860550"
check "products" "$(awk 'BEGIN { p = 1; for (i = 1; i <= 60; i++) p *= 1 + 1 / (i * i); printf "%.12f", p }')" "3.615819780089"
check "fractions" "$(awk 'BEGIN { for (i = 1; i < 2000; i++) { x = i / 7; s += x - int(x) } printf "%.9f", s }')" "856.428571429"
check "division in bc" "$(echo 'scale=20; 22/7' | bc)" "3.14285714285714285714"

# The disk: 8 MiB of pseudo-random bytes, read back past the page cache
[ -e /dev/vda ] || modprobe virtio_blk 2>/dev/null
n=0; while [ ! -e /dev/vda ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
dd if=/dev/urandom of=/tmp/data bs=64k count=128 2>/dev/null
dd if=/tmp/data of=/dev/vda bs=64k seek=16 conv=fsync 2>/dev/null
echo 3 > /proc/sys/vm/drop_caches
check "the disk" "$(dd if=/dev/vda bs=64k skip=16 count=128 2>/dev/null | md5sum)" "$(md5sum < /tmp/data)"
echo "sum of data: $(sha256sum < /tmp/data | cut -c1-64)"

# Time
read -r before rest < /proc/uptime; sleep 1; read -r after rest < /proc/uptime
check "a second of sleep" "$(awk "BEGIN { d = $after - $before; print (d >= 0.98 && d < 1.5) }")" "1"
check "random bytes differ" "$([ "$(head -c 16 /dev/urandom | md5sum)" != "$(head -c 16 /dev/urandom | md5sum)" ] && echo yes)" "yes"

if [ $failures = 0 ]; then echo "self-test passed"; else echo "self-test failed: $failures"; fi
