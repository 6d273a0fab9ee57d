#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Redis is not there yet, takes no writes, wants another password, loads its
# data or stands still while a sensor sends: the sensor waits, nothing is lost
# or doubled, each trouble is said once and counted.  Where it is only the
# registry that is away, files go on.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

# Two servers, as d4-core has them.
redis_begin meta
meta=$redis meta_pid=$redis_pid
redis=$(free_port)
port=$(free_port)
conf_recv recv "source=tcp:127.0.0.1:$port" destination=none \
    "registry=redis:127.0.0.1:$meta/0" "queues=redis:127.0.0.1:$meta/2" \
    "stream=redis:127.0.0.1:$redis/0" types=3
"$RECV" -v -c recv --metrics "$TMP/metrics" 2> recv.err &
started
recv=$pid
ok 'the receiver begins without the server of its streams' \
    within 10 answers "$port"
conf d4 type=3 snaplen=4096 "destination=tcp:127.0.0.1:$port"
noise 3000000 > data
head -c 1000000 data > first
tail -c +1000001 data | head -c 1000000 > second
tail -c +2000001 data > third

# pattern n: so many lines of the receiver match.
said() {
	[ "$(grep -c "$1" recv.err)" = "$2" ]
}

# name value: of the metrics.
figure() {
	grep -qx "d4_recv_stream_$1 $2" metrics
}

# Either with the sensor, or sent and not answered.
waits() {
	grep -q '^d4_recv_stream_\(held_back\|waiting\) [1-9]' metrics
}

begin() {
	rm -f pipe
	mkfifo pipe
	"$D4" -c d4 < pipe 2> d4.err &
	started
	d4=$pid
	exec 9> pipe
}

# name: the rest is sent, and all of it has arrived.
end() {
	exec 9>&-
	finish "$d4"
	is "$status $(cat d4.err)" '0 ' "$1: the sensor ends well"
	ok "$1: its session ends" within 10 ended
	ok "$1: a worker gets it" worker 3 "$(r SMEMBERS session_uuid:3)" got
	ok "$1: as it was sent" cmp got data
}

ended() {
	[ "$(r SCARD ended_session)" = 1 ]
}

has_entries() {
	[ -n "$(r KEYS 'stream:3:*')" ]
}

# ---- not there yet ---------------------------------------------------------

n=1
begin
cat first second third >&9 &
started
writer=$pid
ok 'not there: that is said' within 10 said 'Connection refused: streams wait' 1
ok 'and counted' within 5 figure away 1
ok 'the sensor waits' within 5 figure held_back 1
redis_again stream 9>&-
wait "$writer"
ok 'it comes' within 10 said 'streams go on' 1
end 'not there'
ok 'that is counted, too' within 5 figure away 0

# ---- trouble in the midst --------------------------------------------------

# name pattern n: $1_begin and $1_end make it; its reason matches the pattern,
# as that of n troubles up to now.
trouble() {
	local name=$1
	begin
	cat first >&9
	ok "$name: a sensor sends" within 5 has_entries
	"${name}_begin"
	cat second >&9
	n=$((n + 1))
	ok "$name: that is said" within 15 said "$2: streams wait" "$3"
	ok "$name: it is away" within 5 figure away 1
	ok "$name: what it sent waits" within 5 waits
	"${name}_end"
	ok "$name: it goes on" within 15 said 'streams go on' $n
	is "$(grep -c 'streams wait' recv.err)" $n "$name: nothing more is said"
	cat third >&9
	end "$name"
}

# A replica whose master is away.
readonly_begin() {
	r REPLICAOF 127.0.0.1 1 > check
}

readonly_end() {
	r REPLICAOF NO ONE > check
}

password_begin() {
	r CONFIG SET requirepass secret > check
	export REDISCLI_AUTH=secret
	r CLIENT KILL TYPE normal > check
}

password_end() {
	r CONFIG SET requirepass '' > check
	unset REDISCLI_AUTH
}

# Loading lasts until it is told to hurry.
loading_begin() {
	r EVAL "for i = 1, 3000 do redis.call('SET', 'pad:'..i, i) end" 0 > check
	r SHUTDOWN SAVE
	wait "$redis_pid"
	redis-server --port "$redis" --bind 127.0.0.1 --dir "$TMP/stream" \
	    --save '' --key-load-delay 20000 \
	    --loading-process-events-interval-bytes 1024 > stream.log 2>&1 9>&- &
	started
	redis_pid=$pid
	within 5 loads
}

loads() {
	r PING 2> /dev/null | grep -q LOADING
}

loading_end() {
	r CONFIG SET key-load-delay 0 > check
	within 20 loaded
	r EVAL "for i = 1, 3000 do redis.call('DEL', 'pad:'..i) end" 0 > check
}

loaded() {
	[ "$(r PING)" = PONG ]
}

# Of the last two the connection is lost first: reset where Redis had not yet
# read all.
trouble readonly 'READONLY.*' 1
lost='\(closed the connection\|Connection reset by peer\|Broken pipe\)'
trouble password "$lost" 1
trouble loading "$lost" 2

# ---- it stands still -------------------------------------------------------

begin
cat first >&9
ok 'a sensor sends' within 5 has_entries
kill -STOP "$redis_pid"
cat second >&9 &
started
writer=$pid
ok 'a server that stands still: what it has not answered is counted' \
    within 10 grep -q '^d4_recv_stream_waiting_bytes.* [1-9]' metrics
ok 'that is said' within 15 said 'no answer in time: streams wait' 1
ok 'it is away' within 5 figure away 1
kill -CONT "$redis_pid"
ok 'it goes on' within 15 said 'streams go on' $((n + 1))
wait "$writer"
cat third >&9
end 'stands still'
ok 'the bytes of all entries are counted' within 5 figure bytes_total 15000000
ok 'and how often it came back' within 5 figure reconnects_total 2
kill -USR1 "$recv"
ok 'the line of figures has them' within 5 grep -q \
    ' 15000000 bytes of them, [0-9]* bytes in flight, 0 held back, 2 recon' \
    recv.err

# ---- the registry is away --------------------------------------------------

begin
cat first >&9
ok 'a sensor sends' within 5 has_entries
kill -9 "$meta_pid"
wait "$meta_pid" 2> /dev/null
cat second >&9
ok 'the registry is away: that is said' within 15 grep -q 'we go on without' \
    recv.err
cat third >&9
end 'without the registry'
redis_save=$redis
redis=$meta
redis_again meta
redis=$redis_save
ok 'it is back' within 15 said "redis:127.0.0.1:$meta/0: goes on" 1
is "$(grep -c 'we go on without' recv.err)" 1 'it was said once'
counted() {
	[ "$(redis-cli -p "$meta" ZSCORE "daily_uuid:$(date +%Y%m%d)" \
	    "${UUID//-/}")" -ge 700 ]
}
ok 'what came meanwhile is counted' within 10 counted

kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
done_testing
