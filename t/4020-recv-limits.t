#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Deadlines, caps and the want of descriptors: who is too slow or too many is
# closed, who is there goes on.
#
#	D4_TEST_LONG=1	the deadline of a record, half a minute, too

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

B=11111111111141118111111111111111

# dial: a connection; its descriptor in $fd.
dial() {
	exec {fd}<> "/dev/tcp/127.0.0.1/$port"
}

closed() {
	local rc=0
	read -r -t 0.01 -u "$1" || rc=$?
	[ "$rc" = 1 ]
}

is_open() {
	! closed "$1"
}

live() {
	[ "$(reg live | wc -l)" = "$1" ]
}

# -- deadlines ----------------------------------------------------------------

# Who connects to a TLS port and says nothing; looked at in the end.
collector
with_tls
echo "$TMP/s.handshake" > r/destination
serve
handshake_log=$TMP/log.handshake
mv log "$handshake_log"
handshaker=$server
dial
mute=$fd
begun=$SECONDS

collector quiet=2
serve
dial
"$RECORDS" $'type=3,data=a line\n' >&"$fd"
sensor=$fd
dial
stranger=$fd
dial
half=$fd
"$RECORDS" type=1,bytes=4000,cut=100 >&"$half"
ok 'a stranger without a record goes after its time' within 6 \
    closed "$stranger"
ok 'and why' said '127.0.0.1: too slow: no record'
ok 'so does one with half a record' within 2 closed "$half"
ok 'an authenticated sensor may be idle' is_open "$sensor"
"$RECORDS" $'type=3,data=another\n' >&"$sensor"
exec {sensor}>&-
ok 'and goes on' within 5 eval 'cat $(files) | grep -q another'
if [ -n "${D4_TEST_LONG:-}" ]; then
	dial
	"$RECORDS" $'type=3,data=a line\n' type=3,bytes=5120,cut=1 >&"$fd"
	since=$SECONDS
	ok 'a record has its time' within 45 closed "$fd"
	# 30 seconds and one for each KiB; looked at once a second.
	took=$((SECONDS - since))
	ok "half a minute and its size ($took s)" \
	    test "$took" -ge 34 -a "$took" -le 38
	ok 'and why' said ' too slow: a record'
else
	skip 3 'D4_TEST_LONG is not set'
fi
stop
is "$status" 0 'exit 0'

# -- caps ---------------------------------------------------------------------

collector max_unauthenticated=3 max_per_address=5 max_connections=6
serve
dial
first=$fd
dial
"$RECORDS" $'type=3,data=a line\n' >&"$fd"
sensor=$fd
within 5 live 1
dial
second=$fd
dial
third=$fd
ok 'as many strangers as may be' is_open "$first"
dial
fourth=$fd
ok 'one more: the one that was quiet longest goes' within 5 closed "$first"
ok 'and why' said 'too many connections: a stranger, quiet longest'
ok 'not the others' is_open "$second"
ok 'nor a sensor' is_open "$sensor"
exec {third}>&-
"$RECORDS" "type=3,uuid=$B,data=b"$'\n' >&"$second"
ok 'a stranger becomes a sensor' within 5 live 2
dial
dial
ok 'as many of an address as may be' is_open "$fd"
dial
ok 'one more is closed' within 5 closed "$fd"
ok 'and why' said '127.0.0.1: too many connections$'
ok 'which takes no place from a stranger' is_open "$fourth"
exec {sensor}>&- {second}>&- {fourth}>&- {first}>&-
stop

# -- descriptors --------------------------------------------------------------

collector max_unauthenticated=500
own=0
# Which keeps some for itself.
[ "$SANITIZE" != valgrind ] || own=12
(
	ulimit -n $((120 + own))
	exec "$RECV" -v -c r 2>> log.fd
) &
started
server=$pid
within 10 grep -q 'listening on' log.fd
mv log.fd log
port=$(sed -n 's/.*listening on port //p' log | head -n 1)
ok 'few descriptors: fewer connections, which is said' said \
    'max_connections: only 40, for 120 descriptors'
fds=()
for _ in {1..45}; do
	dial
	fds+=("$fd")
done
ok 'one that is too much is closed' within 5 closed "$fd"
ok 'one that is not stays' is_open "${fds[0]}"
"$RECORDS" $'type=3,data=of few\n' >&"${fds[0]}"
ok 'and is served' within 5 live 1

# Not one more for anything: the loop waits and does not spin.
worker=$(pgrep -P "$server")
prlimit --pid "$worker" --nofile=25:$((120 + own))
for fd in "${fds[@]:20}"; do
	exec {fd}>&-
done
dial
late=$fd
"$RECORDS" "type=3,uuid=$B,data=late"$'\n' >&"$late"
before=$(awk '{ print $14 + $15 }' "/proc/$worker/stat")
sleep 2
after=$(awk '{ print $14 + $15 }' "/proc/$worker/stat")
ok "no descriptor left: it does not spin ($((after - before)) ticks)" \
    test "$((after - before))" -lt 40
"$RECORDS" $'type=3,data=still\n' >&"${fds[0]}"
prlimit --pid "$worker" --nofile=$((120 + own)):$((120 + own))
ok 'it goes on by itself' within 6 live 2
for fd in "${fds[@]:0:20}"; do
	exec {fd}>&-
done
exec {late}>&-
stop
is "$status" 0 'exit 0'
is "$(files | while read -r f; do cat "$f"; done | sort | paste -sd ' ')" \
    'late of few still' 'with all that was sent'

# -- the handshake ------------------------------------------------------------

mv log log.fds
mv "$handshake_log" log
sleep $((begun + 9 > SECONDS ? begun + 9 - SECONDS : 0))
ok 'who does not shake hands has ten seconds' within 5 closed "$mute"
ok 'and why' said '127.0.0.1: too slow: TLS handshake'
server=$handshaker
stop
is "$status" 0 'exit 0'

done_testing
