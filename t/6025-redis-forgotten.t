#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What receivers that share a Redis know of each other: one that is killed does
# not take away what says that its sensors are at another by now; one that only
# gives no sign for a moment is not taken for dead; one that was, or whose
# server was emptied, goes on so that workers get whole sessions.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

redis_begin one
receiver first
first=$pid port1=$port
receiver second
port2=$port
receiver third
third=$pid

HEX=${UUID//-/}
OTHER=00000000000040008000000000000000

# fd port: a sensor that sends what is written to the descriptor.
sensor() {
	local fd=$1
	rm -f "pipe$fd"
	mkfifo "pipe$fd"
	socat -u - "TCP:127.0.0.1:$2" < "pipe$fd" 2> "sensor$fd.err" &
	started
	eval "exec $fd> pipe$fd"
}

# type n: so many sessions wait for workers.
wait_for_worker() {
	[ "$(r SCARD "session_uuid:$1")" = "$2" ]
}

has_ended() {
	[ "$(r SISMEMBER ended_session "$1")" = 1 ]
}

# So many connections were cut, to begin anew.
begins_anew() {
	[ "$(grep -c 'was lost or ended, and begins anew' third.err)" = "$1" ]
}

# All of its processes; the child is the worker.
processes() {
	pgrep -P "$1"
	echo "$1"
}

# ---- killed, gone, and taken for dead --------------------------------------

sensor 5 "$port1"
"$RECORDS" data=one >&5
ok 'a sensor is at the first' within 10 wait_for_worker 1 1
dead=$(r SMEMBERS session_uuid:1)
sensor 7 "$port"
sensor 8 "$port"
"$RECORDS" "type=8,uuid=$OTHER,data=one" >&7
ok 'another sends lines to the third' within 10 wait_for_worker 8 1
lines=$(r SMEMBERS session_uuid:8)
"$RECORDS" "type=1,uuid=$OTHER,data=one" >&8
ok 'and a capture' within 10 wait_for_worker 1 2
capture=$(r SDIFF session_uuid:1 "map:active_connection-uuid-session_uuid:$HEX")

# And a receiver that is gone, with a session of it.
r HSET d4toolkit:receiver:gone gone "$OTHER 1" > check
r SADD d4toolkit:receivers gone > check
# shellcheck disable=SC2046
kill -9 $(processes "$first")
finish "$first"
exec 5>&-
again() {
	sensor 6 "$port2"
	"$RECORDS" data=two >&6 && sleep 0.5 && wait_for_worker 1 3
}
ok 'the first is killed: its sensor comes to the second' within 20 again
# shellcheck disable=SC2046
kill -STOP $(processes "$third")

# In one step.
doubted() {
	[ "$(r EVAL "return redis.call('GET', 'd4toolkit:receiver:$1:alive')
	    == '0' and redis.call('SISMEMBER', 'ended_session', '$1') == 0
	    and 1 or 0" 0)" = 1 ]
}
ok 'one without a sign of life gets some time more' within 30 doubted gone
ok 'then its sessions are ended' within 60 has_ended gone
is "$(r KEYS 'd4toolkit:receiver:gone*')$(r SISMEMBER d4toolkit:receivers \
    gone)" 0 'and it is forgotten'
ok 'those of the first, too' within 60 has_ended "$dead"
is "$(r SISMEMBER active_connection:1 "$HEX") $(r SISMEMBER \
    active_connection "$HEX") $(r SMEMBERS "active_connection_by_uuid:$HEX")" \
    '1 1 1' 'whose sensor is still active, at the second'
exec 6>&-
inactive() {
	[ "$(r SISMEMBER active_connection "$HEX")" = 0 ]
}
ok 'until it goes' within 10 inactive

ok 'the third stood still: its sessions are ended' within 60 \
    has_ended "$lines"
ok 'the worker of lines gets what came' worker 8 "$lines" got
ok 'that of captures, too' worker 1 "$capture" got
# shellcheck disable=SC2046
kill -CONT $(processes "$third")
ok 'it goes on: so does the session of lines' within 10 wait_for_worker 8 1
is "$(r SMEMBERS session_uuid:8)" "$lines" 'the same'
ok 'the capture is to begin anew' within 10 begins_anew 1
"$RECORDS" "type=8,uuid=$OTHER,data=two" >&7
exec 7>&- 8>&-
ok 'the lines end' within 10 has_ended "$lines"
printf two > want
ok 'their worker gets the rest' worker 8 "$lines" got
ok 'all of it' cmp got want

# ---- emptied ---------------------------------------------------------------

r FLUSHALL > check
sensor 7 "$port"
sensor 8 "$port"
"$RECORDS" "type=8,uuid=$OTHER,data=one" >&7
"$RECORDS" "type=1,uuid=$OTHER,data=one" >&8
ok 'it sends again' within 10 wait_for_worker 1 1
ok 'both' within 10 wait_for_worker 8 1
lines=$(r SMEMBERS session_uuid:8)
r FLUSHALL > check
ok 'Redis is emptied: of the lines a worker is told again' within 10 \
    wait_for_worker 8 1
is "$(r SMEMBERS session_uuid:8)" "$lines" 'in the same session'
ok 'the capture is to begin anew' within 10 begins_anew 2
"$RECORDS" "type=8,uuid=$OTHER,data=two" >&7
exec 7>&- 8>&-
ok 'the lines end' within 10 has_ended "$lines"
ok 'their worker gets what came since' worker 8 "$lines" got
ok 'all of it' cmp got want
done_testing
