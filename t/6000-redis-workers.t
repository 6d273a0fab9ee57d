#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What d4-recv puts into Redis Streams is what d4-core's workers expect: a
# reader that follows their rules gets complete sessions of types 1, 2 with
# 254, and 8, and ends them.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

redis_begin one
receiver recv types=$'1\n2\n8\n254' metatypes=ja3-jl
recv=$pid

# The one session of a type that waits for a worker.
session() {
	r SMEMBERS "session_uuid:$1"
}

waits() {
	[ -n "$(session "$1")" ]
}

# of type name n file: what the worker reads is the file, of n entries.
reads() {
	local type=$1 name=$2
	ok "a session of type $type waits" within 10 waits "$type"
	ok "$name" worker "$type" "$(session "$type")" got
	is "$(cat check)" "$3" 'each record is an entry'
	ok 'its bytes are those that were sent' cmp got "$4"
	is "$(r KEYS 'stream:*')" '' 'the worker leaves no stream'
	is "$(session "$type")$(r SMEMBERS ended_session)" '' 'nor session'
}

noise 1000000 > data
split -b 4096 -d -a 3 data part.
args=()
for part in part.*; do
	args+=("data=@$part")
done
"$RECORDS" "${args[@]}" > stream
socat -t 10 -u - "TCP:127.0.0.1:$port" < stream
reads 1 'a capture' ${#args[@]} data

printf 'a,b\nc' > lines
send type=8,data=@lines type=8 'type=8,data=x'
printf 'a,b\ncx' > want
reads 8 'lines, an empty record between' 3 want

printf '{"type":"ja3-jl"}' > meta
printf 'onetwo' > want
send type=2,data=@meta type=254,data=one type=254,data=two
reads 2 'a meta header and its data' 2 want
ok 'the meta header is there as it was' cmp got.meta meta

split -b 5 -d meta piece.
args=()
for part in piece.*; do
	args+=("type=2,data=@$part")
done
send "${args[@]}" type=254,data=one type=254,data=two
reads 2 'a meta header in pieces' 2 want
ok 'it is there' cmp got.meta meta

# While the sensor still sends.
{
	for i in 1 2 3 4 5; do
		"$RECORDS" data="$i"
		sleep 0.3
	done
} | socat -t 10 -u - "TCP:127.0.0.1:$port" &
started
printf 12345 > want
reads 1 'a session that goes on' 5 want

kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
others() {
	grep -v 'type [0-9]* (\|listening\|max_connections\|confined: ' \
	    recv.err
}
is "$(others)" '' 'and said nothing else'
done_testing
