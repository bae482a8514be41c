#!/bin/bash
# Runs real programs on command, one a line: NAME COUNT. bench/markers.ts describes what is printed about it.
# The folder that it is started in holds the other files of bench/programs and, in kernels/, the C sources.
kit=$PWD
work=/dev/shm/bench
database=/root/bench.db
# The last part of a pipe runs in this shell and may set its variables.
shopt -s lastpipe
mkdir -p "$work"
cd "$work" || exit 1

# Setting the terminal's mode waits until the line has left.
begin() {
  echo "@start $name"
  stty icanon
}

# end STATUS FILE...: the time stops; the files are the result.
end() {
  status=$1
  shift
  echo "@stop $name"
  [ "$status" = 0 ] || return "$status"
  echo "@end $name checksum=$(cat "$@" | sha256sum | cut -c 1-16)"
}

# data MEGABYTES: makes the file to compress.
data() {
  [ "$(stat -c %s data 2> /dev/null)" = $(($1 * 1000000)) ] || python3 "$kit/text.py" "$1" > data
}

# speed ALGORITHM SECONDS: it runs for a time, so the host has to know how much it did.
speed() {
  local bytes=0
  openssl speed -elapsed -mr -seconds "$2" -bytes 16384 "$1" 2>&1 < /dev/null | while IFS=: read -r kind blocks _; do
    case $kind in
    +DT) echo "@start $name" ;;
    +R)
      bytes=$((blocks * 16384))
      echo "@stop $name work=$bytes"
      ;;
    esac
  done
  [ "$bytes" -gt 0 ] && echo "@end $name checksum=0000000000000000"
}

# compile COUNT: that many of the kernels, one after the other, from source to program.
compile() {
  local sources=("$kit"/kernels/*.c) objects=()
  rm -f ./*.o ./*.elf
  begin
  gcc -O2 -c -o harness.o "$kit/kernels/harness.c" || return
  for source in "${sources[@]}"; do
    object=$(basename "$source" .c)
    [ "$object" = harness ] && continue
    [ "${#objects[@]}" -lt "$1" ] || break
    gcc -O2 -c -o "$object.o" "$source" && gcc -o "$object.elf" "$object.o" harness.o -lm || return
    objects+=("$object.o")
  done
  end $? "${objects[@]}"
}

# shell COUNT: small programs, pipes and new processes, and an executable file that was not there before.
shell() {
  : > result
  begin
  for ((i = 0; i < $1; i++)); do
    cp /usr/bin/mawk "awk$i"
    find /usr/share/perl5 /etc -type f 2> /dev/null | sort | head -n $((200 + i)) | "./awk$i" -F/ '{ n[$3]++ } END { for (k in n) print k, n[k] }' | sort >> result
    perl -e 'my %h; $h{$_ * 7919 % 1009} += $_ for 1 .. 20000; print scalar(keys %h), " $h{5}\n"' >> result
    for j in 1 2 3 4 5; do expr "$i" \* "$j" >> result; done
    rm "awk$i"
  done
  end $? result
}

run() {
  case $name in
  openssl-sha256) speed sha256 "$1" ;;
  openssl-aes-128-cbc) speed aes-128-cbc "$1" ;;
  python3)
    begin
    python3 "$kit/python.py" "$1" > result
    end $? result
    ;;
  sqlite3)
    rm -f "$database"*
    sed "s/ROWS/$1/g" "$kit/sqlite.sql" > script.sql
    begin
    sqlite3 -bail "$database" < script.sql > result
    end $? result
    ;;
  gzip)
    data "$1"
    begin
    gzip -n < data > data.gz
    end $? data.gz
    ;;
  xz)
    data "$1"
    begin
    xz -1 -T 1 < data > data.xz
    end $? data.xz
    ;;
  gcc) compile "$1" ;;
  shell) shell "$1" ;;
  *) return 127 ;;
  esac
}

echo @ready
while read -r name count; do
  run "$count" < /dev/null || echo "@failed $name $?"
  echo @ready
done
