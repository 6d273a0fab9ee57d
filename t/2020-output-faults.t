#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# When a reader goes away, a disk is full or a descriptor is not there, the
# programs say so and exit 1; they never die by a signal and never take less
# for all.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf c
conf_recv r
noise 3000000 > input
"$D4" -c c < input > sealed

# ---- nobody reads -----------------------------------------------------------

"$D4" -c c < input 2> err | head -c 10 > out
is "${PIPESTATUS[0]}" 1 'd4, the reader goes away: exit 1'
is "$(cat err)" 'd4: stdout: Broken pipe' 'and one line'
"$RECV" -c r < sealed 2> err | head -c 10 > out
is "${PIPESTATUS[0]}" 1 'd4-recv, the reader goes away: exit 1'
is "$(cat err)" 'd4-recv: stdout: Broken pipe' 'and one line'

# ---- a full disk --------------------------------------------------------------

"$D4" -c c < input > /dev/full 2> err
is $? 1 'd4 on /dev/full: exit 1'
is "$(cat err)" 'd4: stdout: No space left on device' 'and one line'
"$D4" -c c < /dev/null > /dev/full 2> err
is $? 1 'even for the closing record alone'
conf c destination=/dev/full
refuses 'd4, destination /dev/full' 1 '^d4: /dev/full: No space left' '' \
    "$D4" -c c < input
"$RECV" -c r < sealed > /dev/full 2> err
is $? 1 'd4-recv on /dev/full: exit 1'
is "$(cat err)" 'd4-recv: stdout: No space left on device' 'and one line'

# whole file: it holds records and nothing else.
# shellcheck disable=SC2317 # called by ok
whole() {
	"$RECORDS" -d < "$1" > records
	test -s records && ! grep -qv 'hmac good$' records
}

# A limit on the size of files is a disk that is full.
# shellcheck disable=SC2317 # called by run
limited() (
	trap '' XFSZ
	ulimit -f 512
	"$@"
)
for snaplen in 100 4096 100000 1000000; do
	conf c snaplen="$snaplen" destination="$TMP/limit"
	rm -f limit
	run limited "$D4" -c c < input
	is "$status" 1 "d4, snaplen $snaplen, a file that may not grow: exit 1"
	is "$(cat err)" "d4: $TMP/limit: File too large" 'and one line'
	if [ "$snaplen" = 1000000 ]; then
		is "$(wc -c < limit)" 0 'half a record is taken off again'
	else
		ok 'the file holds whole records' whole limit
	fi
	cp limit before
	conf c destination="$TMP/limit"
	run "$D4" -c c < /dev/null
	is "$status" 0 'the next run appends'
	ok 'and all are whole' whole limit
	[ ! -s before ] ||
	    ok 'behind what was there' begins limit before
done
conf c
(trap '' XFSZ; ulimit -f 512; exec "$D4" -c c < input > limit 2> err)
is $? 1 'd4, stdout a file that may not grow: exit 1'
ok 'it holds whole records' whole limit
(trap '' XFSZ; ulimit -f 512; exec "$RECV" -c r < sealed > limit 2> err)
is $? 1 'd4-recv, stdout a file that may not grow: exit 1'
is "$(cat err)" 'd4-recv: stdout: File too large' 'and one line'
ok 'it holds the beginning' begins input limit

mkdir disk
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=256k none disk 2> err; then
	conf c destination="$TMP/disk/d4"
	run "$D4" -c c < input
	said=$(cat err)
	cp disk/d4 kept
	umount disk
	is "$status" 1 'd4, a disk that is full: exit 1'
	is "$said" "d4: $TMP/disk/d4: No space left on device" 'and one line'
	ok 'the file holds whole records' whole kept
else
	skip 3 'only root can make a small disk'
fi

# ---- a file that is read and written -----------------------------------------

# Each would feed itself, without an end.
conf c
printf 'some lines\n' > loop
cp loop kept
# shellcheck disable=SC2094 # just that
(ulimit -f 512; "$D4" -c c < loop >> loop 2> err)
is "$? $(cat err)" '2 d4: stdout: is the file that is read' \
    'd4, stdin is stdout: exit 2'
conf c source="$TMP/loop" destination=./loop
refuses 'd4, source is destination' 2 '^d4: ./loop: is the file that is read$' \
    '' "$D4" -c c
ok 'the file stays as it is' cmp kept loop
cp sealed loop
for filter in "$RECV" "$TOP/d4-meta/d4-meta -x" "$TOP/d4-meta/d4-meta -s"; do
	case $filter in *d4-recv) filter="$filter -c r" ;; esac
	# shellcheck disable=SC2086,SC2094 # a program and its options
	(ulimit -f 16384; $filter < loop >> loop 2> err)
	is "$?" 1 "${filter##*/}, stdin is stdout: exit 1"
	like "$(cat err)" '^d4-[a-z]+: stdout: is the file that is read$' \
	    'and one line'
done
ok 'the file stays as it is' cmp sealed loop

# ---- what is not there ----------------------------------------------------------

conf c
"$D4" -c c <&- > out 2> err
is $? 1 'd4, stdin closed: exit 1'
is "$(cat err)" 'd4: stdin: Bad file descriptor' 'and one line'
"$RECV" -c r <&- > out 2> err
is $? 1 'd4-recv, stdin closed: exit 1'
is "$(cat err)" 'd4-recv: stdin: Bad file descriptor' 'and one line'
if [ "$SANITIZE" = valgrind ]; then
	skip 5 'valgrind opens a stdout that is closed'
else
	"$D4" -c c < input >&- 2> err
	is $? 1 'd4, stdout closed: exit 1'
	is "$(cat err)" 'd4: stdout: Bad file descriptor' 'and one line'
	"$RECV" -c r < sealed >&- 2> err
	is $? 1 'd4-recv, stdout closed: exit 1'
	is "$(cat err)" 'd4-recv: stdout: Bad file descriptor' 'and one line'
	"$TOP/d4-meta/d4-meta" -x < sealed >&- 2> err
	is "$? $(cat err)" '1 d4-meta: stdout: Bad file descriptor' \
	    'd4-meta -x, stdout closed: exit 1 and one line'
fi
"$D4" -c c < input 2>&- > out
is $? 0 'd4, stderr closed: exit 0'
ok 'the same records' test "$(wc -c < out)" = "$(wc -c < sealed)"
: > err

# All closed: a file that is opened must not become stdout.
conf c source="$TMP/input" destination="$TMP/dest"
"$D4" -c c <&- >&- 2>&-
is $? 0 'd4 with paths, all three closed: exit 0'
ok 'the records are in the file' whole dest
run "$RECV" -c r < dest
ok 'and right' cmp out input

# Non-blocking descriptors, as some supervisors hand them over.
conf c
cat > nonblock.pl <<'P'
use Fcntl;
use IPC::Open2;
for my $fd (\*STDIN, \*STDOUT) {
	fcntl $fd, F_SETFL, fcntl($fd, F_GETFL, 0) | O_NONBLOCK;
}
exec @ARGV;
P
(sleep 0.2; cat input) | perl nonblock.pl "$D4" -c c 2> err |
    (sleep 0.4; cat) > out
is "${PIPESTATUS[1]}" 0 'd4, non-blocking pipes: exit 0'
(sleep 0.2; cat out) | perl nonblock.pl "$RECV" -c r 2>> err |
    (sleep 0.4; cat) > got
is "${PIPESTATUS[1]}" 0 'd4-recv, non-blocking pipes: exit 0'
ok 'the bytes arrive' cmp got input

done_testing
