#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Redis refuses an entry, takes those behind it, and the connection is lost before
# any of that was answered: a receiver without files looks what is there, so
# that each entry is there once, in order, though workers take entries away.

# Checks are reached by their names.
# shellcheck disable=SC2317,SC2154

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

redis_begin one
at=$(free_port)

# option...: stands between the receiver and Redis.
between() {
	"$TOP/t/tool/redis-between.pl" "$redis" port="$at" "$@" > between &
	started
	proxy=$pid
	within 5 [ -s between ]
}

port=$(free_port)
conf_recv recv "source=tcp:127.0.0.1:$port" destination=none \
    "registry=$TMP/registry" "queues=$TMP/queues" types=$'2\n3\n254' \
    metatypes=other "stream=redis:127.0.0.1:$at/0"

# name refused n record...: of a session of these records Redis refuses the one
# with these words, and the connection is lost n entries later.
session() {
	local name=$1
	r FLUSHALL > check
	between "refuse=$2" "lose=$3"
	shift 3
	"$RECV" -v -c recv 2> recv.err &
	started
	recv=$pid
	within 10 answers "$port"
	send "$@" &
	started
	sensor=$pid
	ok "$name: one is refused, the connection is lost" \
	    within 10 grep -q lost between
	wait "$proxy" 2> /dev/null
	key=$(r KEYS 'stream:*' | tail -n 1)
}

# name type want: they are there, once, in order.
there() {
	between
	ended() {
		[ "$(r SCARD ended_session)" = 1 ]
	}
	ok "$1: the session ends" within 20 ended
	perl "$TOP/t/tool/entries.pl" "$redis" "$2" > got
	is "$(tr '\n' ' ' < got)" "$3" "$1: all entries are there, in order"
	kill "$recv"
	finish "$recv"
	is "$status" 0 "$1: the receiver ends well"
	kill "$proxy"
	wait "$proxy" "$sensor" 2> /dev/null
}

records() {
	local i
	for i in $(seq "$1"); do
		printf 'e%d.\n' "$i" > "e.$i"
		args+=("type=${2:-3},data=@e.$i")
	done
}

# Takes so many entries away, as a worker that has handled them.
works() {
	r XRANGE "$key" - + COUNT "$1" | grep -- '^[0-9]*-[0-9]*$' > ids
	# shellcheck disable=SC2046 # several
	r XDEL "$key" $(cat ids) > check
}

args=()
records 6
session 'in the midst' e3. 2 "${args[@]}"
there 'in the midst' 3 'e1. e2. e3. e4. e5. e6. '

session 'the last' e6. 0 "${args[@]}"
there 'the last' 3 'e1. e2. e3. e4. e5. e6. '

session 'a worker has the first two' e4. 2 "${args[@]}"
works 2
there 'a worker has the first two' 3 'e3. e4. e5. e6. '

# Nothing before tells, but what was taken away last.
session 'a worker has all before' e3. 2 "${args[@]}"
works 2
there 'a worker has all before' 3 'e3. e4. e5. e6. '

# That one of four was refused is known, but not which: none is lost.
session 'a worker went on' e3. 2 "${args[@]}"
works 3
there 'a worker went on' 3 'e1. e2. e3. e4. e5. e6. '

session 'a worker has all' none 0 "${args[@]}" type=3,data=none
works 6
there 'a worker has all' 3 none

# Of a header and its data.
printf '{"type":"other"}' > meta
args=('type=2,data=@meta')
records 5 254
session 'an extended type' e2. 2 "${args[@]}"
is "$(perl "$TOP/t/tool/entries.pl" "$redis" 2)" "$(cat meta)" \
    'the header is there'
there 'an extended type' 254 'e1. e2. e3. e4. e5. '

done_testing
