#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# make bench: records of 4 KiB a second from 8 TLS sensors into Redis Streams,
# beside redis-benchmark's XADD of the same fields, bytes and key length with
# 32 in a pipeline on the same server, in turns, over TCP and over a unix
# socket; the best of each and their ratio.
#
# What each program needs of a CPU for a record is said with it: on two cores,
# which Redis, receiver and sensors share, it tells what the rate would be on
# more.  Then the same of sensors that go on with their streams, each entry of
# which has a tag beside it.
#
#	BENCH_RECORDS=n	of each run, 100000
#	BENCH_RUNS=n	3

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

records=${BENCH_RECORDS:-100000}
runs=${BENCH_RUNS:-3}

redis_begin one --unixsocket "$TMP/redis.sock"
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem \
    2> /dev/null
cat cert.pem key.pem > server.pem
printf %s "$KEY" > key

# The greatest, and the least number of a file.
most() {
	sort -n "$1" | tail -1
}

least() {
	sort -n "$1" | head -1
}

# Microseconds of CPU that a process has used; that our children have.
used() {
	awk '{ print ($14 + $15) * 10000 }' "/proc/$1/stat"
}

children() {
	awk '{ print ($16 + $17) * 10000 }' "/proc/$$/stat"
}

# file before after: what a record took between these.
note() {
	echo "$2 $3 $total" | awk '{ printf "%.2f\n", ($2 - $1) / $3 }' >> "$1"
}

# file [option...]: as sensors do, into the receiver of $worker
ours() {
	local a b c file=$1
	shift
	r FLUSHDB > /dev/null
	a=$(used "$worker") b=$(used "$redis_pid") c=$(children)
	"$TOP/t/bench/load" -C cert.pem -k key -b 4096 -n 8 -u "$@" \
	    -r $((records / 8)) "$port" > load.out || exit 1
	total=$(cut -d ' ' -f 1 load.out)
	note sensors "$c" "$(children)"
	note receiver "$a" "$(used "$worker")"
	note redis "$b" "$(used "$redis_pid")"
	# What opens a stream is an entry, too.
	[ "$(r KEYS 'stream:*' | sed 's/^/XLEN /' | r |
	    awk '{ n += $1 } END { print n }')" = \
	    $((total + ($# > 0 ? 8 : 0))) ] || exit 1
	sed 's/.* \([0-9]*\) records.*/\1/' load.out >> "$file"
}

# option...: as redis-benchmark does
theirs() {
	local b c
	r FLUSHDB > /dev/null
	total=$records
	b=$(used "$redis_pid") c=$(children)
	redis-benchmark "$@" -n "$records" -c 8 -P 32 --csv \
	    XADD stream:3:0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35 '*' \
	    message "$(head -c 4096 /dev/zero | tr '\0' x)" \
	    uuid 0f3c2a9e5b714c8d9a647e2d1b0c9f35 timestamp 1795220274 \
	    version 1 2> /dev/null | tail -1 | cut -d '"' -f 4 |
	    cut -d . -f 1 >> theirs
	note bench "$c" "$(children)"
	note bench_redis "$b" "$(used "$redis_pid")"
}

# name place option...: both in turns
compare() {
	local name=$1 place=$2 i
	shift 2
	port=$(free_port)
	conf_recv recv "source=127.0.0.1:$port" destination=none \
	    "registry=redis:$place/1" "stream=redis:$place/0"
	cp server.pem recv
	secrets recv
	"$RECV" -c recv 2> recv.err &
	started
	recv=$pid
	within 10 answers "$port" || {
		cat recv.err >&2
		exit 1
	}
	worker=$(pgrep -P "$recv")
	rm -f ours theirs opened sensors receiver redis bench bench_redis
	for ((i = 0; i < runs; i++)); do
		ours ours
		theirs "$@"
	done
	printf 'records of 4 KiB from 8 TLS sensors into streams, %s: %d/s; ' \
	    "$name" "$(most ours)"
	printf 'redis-benchmark XADD -P 32: %d/s; ratio %s\n' \
	    "$(most theirs)" "$(echo "$(most ours) $(most theirs)" |
	    awk '{ printf "%.2f", $1 / $2 }')"
	printf '  us of CPU a record: sensors %s, receiver %s, Redis %s; ' \
	    "$(least sensors)" "$(least receiver)" "$(least redis)"
	printf 'redis-benchmark %s, Redis %s\n' "$(least bench)" \
	    "$(least bench_redis)"
	rm sensors receiver redis
	for ((i = 0; i < runs; i++)); do
		ours opened -o
	done
	kill "$recv"
	finish "$recv"
	printf '  of sensors that go on with their streams: %d/s; ' \
	    "$(most opened)"
	printf 'us of CPU: sensors %s, receiver %s, Redis %s\n' \
	    "$(least sensors)" "$(least receiver)" "$(least redis)"
}

for ((n = 0; n < 8; n++)); do
	r -n 1 HSET stream_max_size_by_uuid \
	    "0000000000004000800000000000000$n" 100000000
done > /dev/null
compare TCP "127.0.0.1:$redis" -p "$redis"
compare 'a unix socket' "$TMP/redis.sock" -s "$TMP/redis.sock"
