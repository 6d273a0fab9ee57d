#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Keys that somebody made of another type, and a user without a right that
# entries do not need: that is said once, with the key; those whom it concerns
# wait for it to be mended, all others go on.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

redis_begin one
receiver recv
recv=$pid

# A sensor of lines, as type 3, that goes on.
rm -f pipe
mkfifo pipe
socat -u - "TCP:127.0.0.1:$port" < pipe 2> sensor.err &
started
exec 7> pipe
sent=0
adds() {
	local key
	key=$(r KEYS 'stream:3:*')
	[ -n "$key" ] && [ "$(r XLEN "$key")" = "$sent" ]
}
goes_on() {
	sent=$((sent + 1))
	"$RECORDS" type=3 >&7
	within 10 adds
}
ok 'a sensor sends' goes_on

# pattern n: so many lines of the receiver match, of those that are new.
mark=0
said() {
	[ "$(tail -n "+$((mark + 1))" recv.err | grep -c "$1")" = "$2" ]
}

# Each second the receiver looks there.
# n words command...: it says n lines, one with these words.
trouble() {
	local n=$1 words=$2 i
	shift 2
	mark=$(lines recv.err)
	r "$@" > check
	ok "$words: that is said" within 10 said "$words" 1
	ok "$words: so often" within 20 said . "$n"
	for i in 1 2 3; do
		ok "$words: the sensor goes on ($i)" goes_on
		sleep 1
	done
	ok "$words: nothing more is said" said . "$n"
}
trouble 1 'server:sensor_to_kick: WRONGTYPE' SET server:sensor_to_kick x
r DEL server:sensor_to_kick > check
trouble 1 'Error:IncorrectType: WRONGTYPE' SET Error:IncorrectType x
r DEL Error:IncorrectType > check
trouble 1 'd4toolkit:receivers: WRONGTYPE' SET d4toolkit:receivers x
r DEL d4toolkit:receivers > check
trouble 3 'server:sensor_to_kick: NOPERM' ACL SETUSER default -smembers
r ACL SETUSER default +smembers > check

# Those of a session: it waits, and loses nothing.
mark=$(lines recv.err)
r SET session_uuid:8 x > check
"$RECORDS" type=8,uuid=00000000000040008000000000000000,data=one \
    type=8,uuid=00000000000040008000000000000000,data=two |
    socat -t 10 -u - "TCP:127.0.0.1:$port" &
started
ok 'a session whose keys are of another type: that is said' \
    within 10 said 'session_uuid: WRONGTYPE' 1
for i in 1 2 3; do
	ok "another sensor goes on ($i)" goes_on
	sleep 1
done
ok 'nothing more is said' said 'WRONGTYPE\|streams' 1
r DEL session_uuid:8 > check
ended() {
	[ "$(r SCARD ended_session)" = 1 ]
}
ok 'they are mended: it goes on' within 10 ended
printf onetwo > want
ok 'a worker gets it' worker 8 "$(r SMEMBERS session_uuid:8)" got
ok 'all of it' cmp got want

exec 7>&-
kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
is "$(grep -c 'streams' recv.err)" 0 'and never said that all have to wait'
done_testing
