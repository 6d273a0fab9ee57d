#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# make bench: records of 4 KiB a second from 8 TLS sensors into Redis Streams,
# beside redis-benchmark's XADD of as many bytes with 32 in a pipeline on the
# same server, in turns; the best of each and their ratio.
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

# best file: the greatest number of it.
best() {
	sort -n "$1" | tail -1
}

ready() {
	answers "$port"
}

redis_begin one
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost \
    -keyout key.pem -out cert.pem 2> /dev/null
cat cert.pem key.pem > server.pem
port=$(free_port)
conf_recv recv "source=127.0.0.1:$port" destination=none \
    "registry=redis:127.0.0.1:$redis/1" "stream=redis:127.0.0.1:$redis/0"
cp server.pem recv
secrets recv
"$RECV" -c recv 2> recv.err &
started
recv=$pid
within 10 ready
# The streams are made beforehand, so that the sensors cost but their TLS, and
# may be of any length, for there is no worker.
for ((n = 0; n < 8; n++)); do
	uuid=0000000$n-0000-4000-8000-000000000000
	conf d4 type=3 snaplen=4096 uuid=$uuid "destination=$TMP/stream.$n"
	head -c $((records * 512)) /dev/zero | "$D4" -c d4
	r -n 1 HSET stream_max_size_by_uuid "${uuid//-/}" 100000000
done > /dev/null

ended() {
	[ "$(r SCARD ended_session)" = 8 ]
}

# User and system time of the receiver's worker in ms.
worked() {
	awk '{ print ($14 + $15) * 10 }' "/proc/$(pgrep -P "$recv")/stat"
}

for ((i = 0; i < runs; i++)); do
	r FLUSHDB > /dev/null
	before=$(worked)
	begin=$(date +%s%N)
	for ((n = 0; n < 8; n++)); do
		socat -b 65536 -u "FILE:stream.$n" \
		    "OPENSSL:127.0.0.1:$port,verify=0" &
	done
	within 60 ended
	end=$(date +%s%N)
	total=0
	for key in $(r KEYS 'stream:*'); do
		total=$((total + $(r XLEN "$key")))
	done
	echo $((total * 1000000 / ((end - begin) / 1000))) >> ours
	echo $((total * 1000 / ($(worked) - before + 1))) >> cpu
	r FLUSHDB > /dev/null
	redis-benchmark -p "$redis" -n "$records" -c 8 -P 32 -d 4096 --csv \
	    XADD mystream '*' message "$(head -c 4096 /dev/zero | tr '\0' x)" \
	    uuid 0f3c2a9e5b714c8d9a647e2d1b0c9f35 timestamp 1795220274 \
	    version 1 2> /dev/null | tail -1 | cut -d '"' -f 4 |
	    cut -d . -f 1 >> theirs
done
r FLUSHALL > /dev/null
printf 'records of 4 KiB into streams, 8 TLS sensors: %d/s; ' "$(best ours)"
printf 'redis-benchmark XADD -P 32: %d/s; ratio %s\n' "$(best theirs)" \
    "$(echo "$(best ours) $(best theirs)" | awk '{ printf "%.2f", $1 / $2 }')"
printf 'records for each second of CPU of the receiver: %d\n' "$(best cpu)"
