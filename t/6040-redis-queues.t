#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Analyzer queues in Redis: filled by d4-recv at the head, popped at the tail
# by anybody, cut to their limit; and what a stream does beside files, at its
# limit, and behind a password.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

HEX=${UUID//-/}
Q1=11111111-1111-4111-8111-111111111111
Q2=22222222-2222-4222-8222-222222222222
Q3=33333333-3333-4333-8333-333333333333

# queue uuid type limit: as d4-core's web page makes a global one.
queue() {
	r -n 1 HSET "analyzer:$1" type "$2" description '' max_size "$3"
	r -n 1 SADD "analyzer:$2" "$1"
	r -n 1 SADD all_analyzer_queues "$1"
}

redis_begin one
r CONFIG SET requirepass secret > check
export REDISCLI_AUTH=secret
receiver recv "destination=$TMP/store" types=$'1\n3\n8' stream_overflow=wait \
    redis_password=wrong compress=none
finish "$pid"
is "$status" 1 'a wrong password: the receiver does not begin'
like "$(cat recv.err)" '127.0.0.1:[0-9]+/1: login: WRONGPASS' 'and says so'

receiver recv "destination=$TMP/store" types=$'1\n3\n8' redis_password=secret
recv=$pid
queue $Q1 8 100 > check
queue $Q2 8 2 > check
queue $Q3 3 100 > check
r -n 1 SREM "analyzer:3" $Q3 > check
r -n 1 SADD "analyzer_uuid_group:3" $Q3 > check
r -n 1 SADD "analyzer_sensor_group:$Q3" "$HEX" > check
sleep 3

printf 'one\ntwo\n\nthree\npart' > lines
send type=8,data=@lines
pushed() {
	[ "$(r -n 2 LLEN "$1")" = "$2" ]
}
ok 'lines are items' within 5 pushed "analyzer:8:$Q1" 3
is "$(r -n 2 RPOP "analyzer:8:$Q1") $(r -n 2 RPOP "analyzer:8:$Q1")" \
    'one two' 'the oldest is at the tail'
is "$(r -n 2 LRANGE "analyzer:8:$Q2" 0 -1 | paste -s -d ' ')" 'three two' \
    'of too many the oldest are dropped'
updated() {
	[ "$(r -n 1 HGET "analyzer:$Q1" last_updated)" -gt 1000000000 ]
}
ok 'and the queue knows when' within 5 updated

send type=3,data=@lines
ok 'a group of sensors has its own' within 5 pushed "analyzer:3:$Q3" 3
is "$(r -n 2 EXISTS "analyzer:3:$Q1")" 0 'other queues have nothing of it'

# ---- files and streams -----------------------------------------------------

is "$(r XLEN "stream:8:$(r SMEMBERS session_uuid:8)")" 1 'the stream has it'
kept() {
	find store -name '*.passivedns.txt*' -size +0 | grep -q .
}
ok 'and a file' within 10 kept

# ---- the limit -------------------------------------------------------------

r -n 1 HSET stream_max_size_by_uuid "$HEX" 50 > check
sleep 3
noise 200000 > data
split -b 1000 -d -a 3 data part.
args=()
for part in part.*; do
	args+=("type=3,data=@$part")
done
"$RECORDS" "${args[@]}" > stream
r DEL session_uuid:3 ended_session > check
socat -t 30 -u - "TCP:127.0.0.1:$port" < stream &
started
length() {
	[ "$(r XLEN "stream:3:$(r SMEMBERS session_uuid:3)")" = "$1" ]
}
ok 'the stream fills up to its limit' within 5 length 50
sleep 1
ok 'and no further' length 50
is "$(r SCARD ended_session)" 0 'the sensor waits'
ok 'a worker comes: it gets all' worker 3 "$(r SMEMBERS session_uuid:3)" got
ok 'as it was sent' cmp got data

kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
# Another login, with the rights that d4-redis(7) names.
r ACL SETUSER d4 on '>blank word' '~*' +@read +@write +@connection \
    +@scripting +@transaction > check
receiver recv2 stream_overflow=disconnect redis_user=d4 \
    redis_password='blank word'
recv=$pid
r DEL session_uuid:3 ended_session > check
socat -t 30 -u - "TCP:127.0.0.1:$port" < stream 2> socat.err &
started
cut() {
	[ "$(r SCARD ended_session)" = 1 ]
}
ok 'with disconnect it is cut off' within 10 cut
ok 'at the limit' length 50
like "$(cat recv2.err)" 'its stream has as many entries as it may' 'which is said'
error() {
	[ "$(r -n 1 HGET "metadata_uuid:$HEX" Error)" = \
	    'Error: stream exceed max entries limit' ]
}
ok 'and kept, as d4-core words it' within 5 error
kill "$recv"
finish "$recv"

# ---- configurations --------------------------------------------------------

: > nothing

# bad name pattern name=value...
bad() {
	local name=$1 pattern=$2
	shift 2
	conf_recv bad source=tcp:127.0.0.1:1 "$@"
	refuses "$name" 2 "$pattern" nothing "$RECV" -n -c bad
}
all=(destination=none registry=redis:h:1/1 stream=redis:h:1/0)
bad 'no files and no stream' 'bad/stream: is needed without files' \
    destination=none registry=redis:h:1/1
bad 'no files and no registry' 'bad/registry: is needed without files' \
    destination=none stream=redis:h:1/0
bad 'a stream that is no Redis' 'bad/stream: is not Redis' "${all[@]}" \
    stream=/a/path
bad 'Redis without a database' 'bad/registry: is not HOST:PORT/DB' \
    "${all[@]}" registry=redis:h:1
bad 'queues elsewhere than their definitions' \
    'bad/queues: goes with the registry' "${all[@]}" queues=/a/path
bad 'a user without a password' 'bad/redis_user: has no redis_password' \
    "${all[@]}" redis_user=me
bad 'an overflow that is none' 'bad/stream_overflow: is something else' \
    "${all[@]}" stream_overflow=x
conf_recv good source=tcp:127.0.0.1:1 "${all[@]}" redis_password=hidden
run "$RECV" -n -c good
is "$status" 0 'a good one'
like "$(cat out)" 'queues: redis:h:1/2' 'queues are in database 2 by default'
is "$(grep -c hidden out)" 0 'the password is not shown'
done_testing
