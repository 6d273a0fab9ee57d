#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Signals: SIGTERM and SIGINT end cleanly with what was read sent, SIGUSR1
# says a line of figures, SIGPIPE never kills.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf c type=3
conf_recv r

# feed signal: d4 with a line in its pipe, which stays open, and the signal.
feed() {
	rm -f in out
	mkfifo in
	"$D4" -c c < in > out 2> err &
	started
	exec 3> in
	echo 'a line' >&3
	within 10 has_bytes out 69
	kill -s "$1" "$pid"
}

for signal in TERM INT; do
	feed "$signal"
	finish "$pid"
	exec 3>&-
	is "$status" 0 "SIG$signal: exit 0"
	is "$("$RECORDS" -d < out | cut -d ' ' -f 9-)" 'size 7 hmac good
size 0 hmac good' 'what was read is sent, and the closing record'
	is "$(wc -c < err)" 0 'nothing is said'
done

feed USR1
ok 'SIGUSR1: a line' within 10 has_bytes err 1
is "$(cat err)" 'd4: stdout: 1 records, 7 bytes' 'with figures'
echo 'another' >&3
ok 'and it goes on' within 10 has_bytes out 139
exec 3>&-
finish "$pid"
is "$status" 0 'to the end'

# Many signals while much goes through: not a byte is lost.
noise 20000000 > input
rm -f in
mkfifo in
cat input > in &
started
"$D4" -c c < in > sealed 2> err &
started
within 10 listens "$pid" d4
while kill -s USR1 "$pid" 2> /dev/null; do
	sleep 0.001
done
finish "$pid"
is "$status" 0 'SIGUSR1 again and again: exit 0'
run "$RECV" -c r < sealed
ok 'and all of it is there' cmp out input

# The end asked for while a slow reader has the pipe full: what was read is
# still sent whole.
rm -f in
mkfifo in slow
cat input > in 2> /dev/null &
started
"$D4" -c c < in > slow 2> err &
started
victim=$pid
exec 4< slow
within 10 listens "$victim" d4
sleep 0.3
kill -s TERM "$victim"
sleep 0.1
cat <&4 > sealed
exec 4<&-
finish "$victim"
is "$status" 0 'SIGTERM with the pipe full: exit 0'
"$RECORDS" -d < sealed > records
is "$(grep -cv 'hmac good$' records)" 0 'whole records alone arrive'
like "$(tail -1 records)" ' size 0 hmac good$' 'the closing one last'
run "$RECV" -c r < sealed
is "$status" 0 'd4-recv takes them'
ok 'the beginning of the input' begins input out

# Waiting for the other end of a FIFO is no reason not to listen.
mkfifo lonely
for end in source destination; do
	conf c type=3 "$end=$TMP/lonely"
	"$D4" -c c < /dev/null > out 2> err &
	started
	within 10 listens "$pid" d4
	sleep 0.1
	kill -s USR1 "$pid"
	sleep 0.1
	ok "d4 waits for its $end over SIGUSR1" kill -0 "$pid"
	kill -s TERM "$pid"
	finish "$pid"
	is "$status" 0 'and ends with SIGTERM: exit 0'
done

# ---- d4-recv --------------------------------------------------------------

"$RECORDS" type=3,data=abc type=3,data=defg > two
for signal in TERM INT; do
	for cut in 65 100; do
		rm -f in
		mkfifo in
		"$RECV" -v -c r < in > out 2> err &
		started
		exec 3> in
		head -c "$cut" two >&3
		within 10 has_bytes out 3
		kill -s "$signal" "$pid"
		finish "$pid"
		exec 3>&-
		is "$status" 0 "d4-recv, SIG$signal after $cut bytes: exit 0"
		is "$(cat out)" abc 'what was verified has left'
	done
done
rm -f in
mkfifo in
"$RECV" -c r < in > out 2> err &
started
exec 3> in
head -c 100 two >&3
within 10 has_bytes out 3
kill -s USR1 "$pid"
ok 'SIGUSR1: a line' within 10 has_bytes err 1
is "$(cat err)" "d4-recv: stdin: uuid $UUID, type 3 (log), 1 records, 3 bytes" \
    'with figures'
tail -c +101 two >&3
exec 3>&-
finish "$pid"
is "$status" 0 'and it goes on to the end'
is "$(cat out)" abcdefg 'with all of it'

done_testing
