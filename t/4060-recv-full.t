#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# A full disk: sensors wait, nothing half written is taken for whole, and all
# goes on by itself once there is room.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

Q=00000000-0000-4000-8000-000000000003

collector compress=gz rotate_size=50000
with_tls
mkdir s
mount -t tmpfs -o size=3m tmpfs "$TMP/s" 2> /dev/null ||
    skip_all 'a file system of our own cannot be mounted here'
trap 'kill -9 "${pids[@]}" 2> /dev/null; wait; umount "$TMP/s"; cleanup' EXIT

resize() {
	mount -o "remount,size=$1" "$TMP/s"
}

reg queue "$Q" 3 1000000
serve --metrics metrics

"$SENSORS" -n 6 -b 400000 -s 20 "$port" > sent 2> err &
started
sending=$pid
ok 'the disk is full' within 20 said 's: [1-6] sensors wait for room$'
ok 'and --metrics says so' within 3 grep -q \
    '^d4_recv_sensors_waiting [1-6]$' metrics
worker=$(pgrep -P "$server")
before=$(awk '{ print $14 + $15 }' "/proc/$worker/stat")
sleep 2
after=$(awk '{ print $14 + $15 }' "/proc/$worker/stat")
ok 'sensors wait' kill -0 "$sending"
ok "and the collector does not spin ($((after - before)) ticks)" \
    test $((after - before)) -lt 40
is "$("$STORE" check s | grep -c ' not ')" 0 'what is finished is whole'

# One that goes away meanwhile.
"$SENSORS" -f -i 50 -t 1 "$port" > /dev/null 2>&1 &
started
sleep 2
kill -9 "$pid"
wait "$pid" 2> /dev/null
sleep 1
before=$(awk '{ print $14 + $15 }' "/proc/$worker/stat")
sleep 2
after=$(awk '{ print $14 + $15 }' "/proc/$worker/stat")
ok "a sensor that goes meanwhile is no load ($((after - before)) ticks)" \
    test $((after - before)) -lt 40

resize 100m
ok 'with room it goes on by itself, to the end' eval \
    'finish "$sending"; [ "$status" = 0 ]'
ok 'it is not said again and again' test "$(grep -c 'No space' log)" -lt 9
ok 'room again is said' within 20 said 's: there is room for sensors again$'
ok 'all files are finished' within 20 all_finished
"$STORE" join s | grep -v ^32 > kept
sort sent > sorted
ok 'what was sent is kept' cmp sorted kept
find s -path '*/3/*' -name '01*.syslog*' | sort -V | grep -v /queues/ > lists
is "$("$STORE" check s | grep -c ' not ')" 0 'in whole files'
contents 3 "$Q" | grep '^1 ' > got
while read -r file; do
	zcat "$file"
done < lists | sort > want
sort got > got.sorted
ok 'each line is queued once' cmp want got.sorted
stop
is "$status" 0 'exit 0'

# One that comes while nothing at all can be written waits, too.
serve
dd if=/dev/zero of=s/ballast bs=4k 2> /dev/null
u=66666666666646668666666666666666
"$RECORDS" "uuid=$u,type=3,data=one"$'\n' "uuid=$u,type=3,data=two"$'\n' \
    > session
socat -t 30 OPEN:session "OPENSSL:127.0.0.1:$port,verify=0" > answer &
started
ok 'a new sensor waits' within 10 said 's: 1 sensors wait for room$'
is "$(grep -c 'our own fault' log)" 0 'and is not refused'
rm s/ballast
ok 'until there is room' within 10 said 's: there is room for sensors again$'
finish "$pid"
is "$status" 0 'it is answered'
stop
is "$(find s -path "*/$u/*" -type f -exec zcat {} +)" $'one\ntwo' \
    'what it sent is kept'
rm -r "s/$u"

# The end while one waits so: that is lost, and said.
serve
dd if=/dev/zero of=s/ballast bs=4k 2> /dev/null
socat -u OPEN:session,ignoreeof \
    "OPENSSL:127.0.0.1:$port,verify=0" &
started
ok 'one waits again' within 10 said 's: 1 sensors wait for room$'
stop
is "$status" 1 'what is lost is no success'
ok 'and said' said ' [0-9]+ bytes found no room$'
kill "$pid"
rm s/ballast

# SIGTERM while it is full: what found no room is said, the rest is whole.
dd if=/dev/zero of=s/ballast bs=64k 2> /dev/null
serve
"$SENSORS" -f -i 100 -n 3 -t 1 "$port" > /dev/null 2>&1 &
started
sleep 3
begun=$SECONDS
stop
ok 'SIGTERM while it is full: in time' test $((SECONDS - begun)) -le \
    $((5 * SLOW))
want=0
! said 'found no room|No space left on device$' || want=1
is "$status" "$want" 'what was lost is no success'
kill "$pid" 2> /dev/null
rm -f s/ballast
serve
ok 'the next start finishes what was left' within 20 all_finished
is "$("$STORE" check s | grep -c ' not ')" 0 'all of it whole'
stop

# The end of standard input is no signal: what is not finished is waited for,
# however long that takes.
conf_recv single destination="$TMP/s" compress=gz types=8
u=77777777777747778777777777777777
perl -e 'srand 1; printf "%08x\n", rand 2 ** 32 for 1 .. 100000' > lines
conf c uuid=77777777-7777-4777-8777-777777777777 type=8 source="$TMP/lines"
mkfifo records
"$RECV" -c single < records 2> log &
started
single=$pid
exec 9> records
"$D4" -c c >&9
ok 'a collector of stdin' within 20 eval \
    'cat s/.open/$u* > opened && has_bytes opened 900000'
dd if=/dev/zero of=s/ballast bs=4k 2> /dev/null
exec 9>&-
ok 'has no room to compress' within 20 said 's: waiting for room: No space'
sleep 4
ok 'waits' kill -0 "$single"
rm s/ballast
ok 'ends with room' within 30 eval '! kill -0 "$single"'
finish "$single"
is "$status" 0 'exit 0'
is "$(find s -path "*/$u/*" -type f -exec zcat {} + | sha)" "$(sha lines)" \
    'with all of it finished'

done_testing
