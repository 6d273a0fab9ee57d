#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# A full disk and sensors that resume: cut off, killed and taken over while
# there is no room, they go on when there is, each byte once.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

RESUME=$TOP/t/tool/resumer.pl

collector types="$(printf '%s\n' 1 3 9)" rotate_size=700000
port=$(free_port)
echo "tcp:127.0.0.1:$port" > r/source
mkdir s
mount -t tmpfs -o size=3m tmpfs "$TMP/s" 2> /dev/null ||
    skip_all 'a file system of our own cannot be mounted here'
trap 'kill -9 "${pids[@]}" 2> /dev/null; wait; umount "$TMP/s"; cleanup' EXIT

resize() {
	mount -o "remount,size=$1" "$TMP/s"
}

perl -e 'srand 5; print map { rand(1) . "\n" } 1 .. 500000' > in3
perl -e 'srand 6; print pack "V*", map { rand 2 ** 32 } 1 .. 4000000' > in9

restart() {
	"$RECV" -vv -c r 2>> log &
	started
	server=$pid
	within 5 pgrep -P "$server"
}

: > log
restart
# A window is more than the kernel holds of what a full collector does not read.
"$RESUME" "$port" in3 type=3 cuts=5 every=2000000 > said3 2> err3 &
started
three=$pid
"$RESUME" "$port" in9 type=9 > said9 2> err9 &
started
nine=$pid
ok 'the disk is full' within 20 said 'waiting for room|wait for room$'
sleep 1
kill -9 "$(pgrep -P "$server")"
ok 'killed, it waits again' within 10 eval \
    '[ "$(grep -c "waiting for room\|wait for room" log)" -gt 1 ]'
sleep 1
ok 'the sensors wait' kill -0 "$three" "$nine"
resize 4m
sleep 2
kill -9 "$(pgrep -P "$server")"
sleep 1
resize 100m
finish "$three"
is "$status" 0 'with room they go on, cut off or not'
finish "$nine"
is "$status" 0 'to their end'
ok 'all is finished' within 30 all_finished
"$STORE" join s > kept
is "$(awk '$2 == 3 { print $4 }' kept)" "$(sha in3)" 'lines: each byte once'
is "$(awk '$2 == 9 { print $4 }' kept)" "$(sha in9)" 'bytes: likewise'
is "$(grep -c 'a gap\|with others\|given up' log)" 0 'always where it should'
kill "$server"
finish "$server"
is "$status" 0 'exit 0'

done_testing
