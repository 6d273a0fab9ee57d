#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Where records come from: a unix socket, stdin, sockets that a service
# manager opened, several workers on one port, all addresses.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

command -v socat > /dev/null || skip_all 'no socat here'

kept() {
	files | grep '/3/' | while read -r file; do cat "$file"; done | sort
}

kept_is() {
	[ "$(kept)" = "$1" ]
}

# -- a unix socket ------------------------------------------------------------

collector source=unix:sock
serve
"$RECORDS" $'type=3,data=by unix\n' | socat -t 5 - UNIX:sock > answer
ok 'unix:' within 5 kept_is 'by unix'
ok 'its address is "unix"' within 5 eval \
    'reg facts "$UUID" | grep -q "^address: unix$"'
stop
is "$status" 0 'exit 0'
ok 'the socket is gone' test ! -e sock

# -- stdin --------------------------------------------------------------------

collector source=stdin
"$RECORDS" $'type=3,data=from a file\n' > stream
run "$RECV" -c r < stream
is "$status" 0 'stdin, a file: exit 0'
is "$(kept)" 'from a file' 'is kept'
"$RECORDS" $'type=3,data=from a pipe\n' | "$RECV" -c r
is "$?" 0 'stdin, a pipe: exit 0'
is "$(kept)" $'from a file\nfrom a pipe' 'is kept'
"$RECORDS" $'type=3,data=good\n' type=3,key=wrong,data=bad > stream
run "$RECV" -c r < stream
is "$status" 1 'a record is refused: exit 1'
like "$(cat err)" "^d4-recv: stdin $UUID: HMAC does not match$" 'and why'
is "$(kept | grep -c '^good$')" 1 'what came before it is kept'
is "$(kept | grep -c bad)" 0 'nothing else'
noise 3000000 > raw
conf c type=9
rm -rf s
echo 9 > r/types
"$D4" -c c < raw | "$RECV" -c r
is "$?" 0 'much from a pipe'
is "$(sha "$(files)")" "$(sha raw)" 'is kept'
rm -rf s
"$D4" -c c < raw > stream
run "$RECV" -c r < stream
is "$(sha "$(files)")" "$(sha raw)" 'so is much from a file'
mkfifo pipe
"$RECV" -c r < pipe &
started
exec 3> pipe
"$RECORDS" type=9,data=waiting >&3
ok 'a pipe that stays open' within 5 eval 'reg live | grep -q .'
kill -TERM "$pid"
finish "$pid"
exec 3>&-
is "$status" 0 'SIGTERM: exit 0'
ok 'what has arrived is kept' eval 'grep -q "^waiting$" $(files)'

# -- sockets of a service manager ---------------------------------------------

collector
port=$(free_port)
: > log
perl -MIO::Socket::INET -e '
	my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    LocalPort => shift, Listen => 5) or die;
	require POSIX;
	POSIX::dup2(fileno $s, 3);
	$^F = 3;
	open my $keep, "<&=", 3;
	$ENV{LISTEN_PID} = $$;
	$ENV{LISTEN_FDS} = 1;
	exec @ARGV;
' "$port" "$RECV" -v -c r 2>> log &
started
server=$pid
within 5 listens "$server" d4-recv
tell $'type=3,data=activated\n'
ok 'LISTEN_FDS' within 5 kept_is activated
stop
is "$status" 0 'exit 0'
is "$(grep -c 'listening on' log)" 0 'it opened none itself'

# -- workers ------------------------------------------------------------------

collector workers=2
with_tls
serve --metrics metrics
two_run() {
	[ "$(pgrep -P "$server" | wc -l)" = 2 ]
}
ok 'two workers' within 10 two_run
"$SENSORS" -w -n 40 -b 50000 "$port" > sent &
started
sending=$pid
ok 'sensors of both are known' within 10 eval \
    '[ "$(reg live | wc -l)" = 40 ]'
# One that talks all the time comes again: whoever they meet, those are
# duplicates.
talks=type=3,uuid=11111111111141118111111111111111,data=x$'\n'
while "$RECORDS" "$talks"; do sleep 1; done 2> /dev/null |
    openssl s_client -quiet -no_ign_eof -connect "127.0.0.1:$port" \
    > /dev/null 2>&1 &
started
talker=$pid
ok 'one more comes' within 10 eval '[ "$(reg live | wc -l)" = 41 ]'
: > log
"$RECORDS" "$talks" > stream
doubles=()
for _ in 1 2 3 4 5 6; do
	timeout 15 openssl s_client -quiet -no_ign_eof -connect \
	    "127.0.0.1:$port" < stream > /dev/null 2>&1 &
	doubles+=("$!")
done
wait "${doubles[@]}"
is "$(grep -c 'another connection of this sensor' log)" 6 \
    'a duplicate is one for both'
kill "$talker"
finish "$talker"
each_has_some() {
	local w
	for w in metrics metrics.1; do
		grep -q '^d4_recv_connections [1-9]' "$w" || return
	done
}
ok 'each has some' within 5 each_has_some
# The same sensors come again, while those are there: after a while of silence
# the new ones win.
sleep 6
taken_over() {
	[ "$(cat metrics metrics.1 | awk \
	    '/reason="taken_over"/ { n += $2 } END { print n }')" = "$1" ]
}
"$SENSORS" -w -n 40 -b 50000 "$port" > sent.2 &
started
taking=$pid
# Of type 254 there may be many.
ok 'after a while of silence each is taken over' within 10 taken_over 34
ok 'the old ones are gone' within 10 eval \
    '[ "$(reg live | wc -l)" = 46 ]'
kill "$sending" "$taking"
finish "$taking"
is "$status" 0 'the new ones are answered'
kill -9 "$(pgrep -P "$server" | head -n 1)"
ok 'one of them dies: there are two again' within 5 eval \
    '[ "$(pgrep -P "$server" | wc -l)" = 2 ]'
sensors -n 40 -i 50 -b 50000 > sent
is "$?" 0 'and serve'
stop
is "$status" 0 'exit 0'

# -- addresses ----------------------------------------------------------------

collector source=tcp::0
serve
tell $'type=3,data=v4\n'
ok 'all addresses: IPv4' within 5 kept_is v4
ok 'written as that' within 5 eval \
    'reg facts "$UUID" | grep -q "^address: 127.0.0.1$"'
if "$RECORDS" $'type=3,data=v6\n' |
    socat -t 5 - "TCP6:[::1]:$port" > answer 2> err; then
	ok 'and IPv6' within 5 kept_is $'v4\nv6'
else
	skip 1 'no IPv6 here'
fi
stop

done_testing
