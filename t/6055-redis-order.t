#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Redis refuses writes again and again while several sensors send, those that
# resume and those that do not: entries that were refused go before those that
# came meanwhile, so each stream has all of its bytes, in order, in one session.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

redis_begin streams
port=$(free_port)
conf_recv recv "source=tcp:127.0.0.1:$port" destination=none \
    registry="$TMP/registry" queues="$TMP/queues" "stream=redis:127.0.0.1:$redis/0" types=3
"$RECV" -v -c recv --metrics "$TMP/metrics" 2> recv.err &
started
recv=$pid
ok 'the receiver listens' within 10 answers "$port"

sensors=()
for i in 1 2 3 4 5 6; do
	noise $((16000000 + i)) > "data.$i"
	# Every other one resumes.
	conf "d4.$i" type=3 snaplen=4096 "destination=tcp:127.0.0.1:$port" \
	    uuid="0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f3$i" source="$TMP/data.$i" \
	    window=$((i % 2 * 4000000))
	"$D4" -c "d4.$i" --retry 2 --rate 4000000 2> "d4.err.$i" &
	started
	sensors+=("$pid")
done

# shellcheck disable=SC2317 # called by within
some() {
	[ -n "$(r KEYS 'stream:3:*')" ]
}
within 10 some
# The reasons are said at the first of them.
for i in 1 2 3 4 5 6 7 8; do
	sleep 0.2
	r REPLICAOF 127.0.0.1 1 > check
	sleep 0.2
	r REPLICAOF NO ONE > check
done
ok 'writes were refused' grep -q READONLY recv.err

# shellcheck disable=SC2317 # called by ok
ended() {
	[ "$(r SCARD ended_session)" = 6 ]
}

for i in 1 2 3 4 5 6; do
	finish "${sensors[i - 1]}"
	is "$status $(cat "d4.err.$i")" '0 ' "sensor $i ends well"
done
ok 'each has one session' within 10 ended
is "$(r SCARD session_uuid:3)" 6 'and no more than that'
for session in $(r SMEMBERS session_uuid:3); do
	worker 3 "$session" "got.$session" > check
done
is "$(sha256sum got.* | cut -c 1-64 | sort | tr '\n' ' ')" \
    "$(sha256sum data.* | cut -c 1-64 | sort | tr '\n' ' ')" \
    'with all of its bytes in order'

kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
done_testing
