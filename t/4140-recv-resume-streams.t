#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Two collectors that keep no files, only streams in one Redis: of a sensor that
# resumes each byte is there once, whatever is cut or killed.
#
#	D4_TEST_LONG	not empty: 12 rounds of kills instead of 2

# Checks are reached by their names.
# shellcheck disable=SC2317,SC2154

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"
# shellcheck source=t/tool/pair.sh
. "$TOP/t/tool/pair.sh"

ENTRIES=$TOP/t/tool/entries.pl
rounds=2
[ -z "${D4_TEST_LONG:-}" ] || rounds=12

# A stream may be longer than workers, of which there are none, would leave it.
forget() {
	r FLUSHALL > check
	r -n 1 HSET stream_max_size_by_uuid "${UUID//-/}" 100000000 > check
	: > a.err
	: > b.err
	# What an administrator's programs don't tell is seen late.
	sleep 2
}

# there name type file: that is in the streams.
there() {
	perl "$ENTRIES" "$redis" "$2" > got
	same "$1" got "$3"
}

done_with() {
	all_answered "$1"
	there "$1: pcap" 1 in1
	there "$1: lines" 3 in3
	there "$1: pcapng" 5 packets5
	there "$1: an extended type" 254 in254
	is "$(astray)" 0 "$1: always where it should"
}

redis_begin one --appendonly yes --appendfsync always
for name in a b; do
	receiver "$name" types="$types" metatypes=fascia
	at[$name]=$port
	is_at[$name]=$pid
done

forget
sensors cuts=6 every=2000000 slow=10
done_with 'cut'

forget
"$RESUME" "${at[a]},${at[b]}" iny type=8 cuts=9 rate=100000 size=1000 \
    window=400000 every=400000 how=rst > said
is $? 0 'equal lines'
there 'equal lines: as many as were sent' 8 iny

forget
sensors slow=$((rounds * 60)) give_up=200
for ((i = 0; i < rounds; i++)); do
	for name in a b; do
		sleep "0.$((RANDOM % 5 + 3))"
		die "$name"
		sleep "0.$((RANDOM % 5 + 3))"
		begin "$name"
	done
done
done_with 'kill -9'

forget
sensors slow=60 cuts=2 give_up=200
sleep 1
kill -9 "$redis_pid"
reap "$redis_pid"
sleep 1
redis_again one --appendonly yes --appendfsync always
done_with 'Redis killed'

# Each entry and its tag, which is less than 64 KiB where records are of 4 KiB.
key=$(r KEYS 'd4toolkit:entries:*:1:*:tags')
usage=$(r MEMORY USAGE "$key")
ok "a tail of $(r LLEN "$key") records takes $usage bytes" \
    [ "$usage" -le 65536 ]

# Of a stream that is as short as can be, too, nothing is kept for ever.
forget
echo one > small
"$RESUME" "${at[a]},${at[b]}" small type=8 > said
is $? 0 'a line'
for key in $(r KEYS 'd4toolkit:entries*'); do
	ok 'what is kept is so for a week' [ "$(r TTL "$key")" -gt 600000 ]
done
is "$(r KEYS 'd4toolkit:entries*' | wc -l)" 3 'all three'
for ((i = 0; i < 12; i++)); do
	echo "line $i" > small
	"$RESUME" "${at[a]},${at[b]}" small type=8 > said || break
done
is $i 12 'many short streams'
for key in $(r KEYS 'd4toolkit:entries:*'); do
	r EXPIRE "$key" 500000 > check
done
echo last > small
"$RESUME" "${at[a]},${at[b]}" small type=8 > said
is $? 0 'another one'
is "$(r KEYS 'd4toolkit:entries:*:tags' | wc -l) $(r LLEN \
    "d4toolkit:entries_of:${UUID//-/}:8")" '8 8' \
    'of those that are old 8 are kept'

# A sensor that is connected need not send anything for that.
if [ -n "${D4_TEST_LONG:-}" ]; then
	forget
	conf silent type=8 "destination=tcp:127.0.0.1:${at[a]}"
	mkfifo silence
	"$D4" -c silent < silence 2> err &
	started
	exec 8> silence
	echo one >&8
	waits() {
		[ "$(r KEYS 'd4toolkit:entries*' | wc -l)" = 3 ]
	}
	ok 'a sensor has sent a line' within 10 waits
	keys=$(r KEYS 'd4toolkit:entries:*')
	for key in $keys; do
		r EXPIRE "$key" 150 > check
	done
	lives() {
		for key in $keys; do
			[ "$(r TTL "$key")" -gt 600000 ] || return 1
		done
	}
	ok 'while it is connected nothing of it expires' within 100 lives
	exec 8>&-
	finish "$pid"
fi

# It is mute, and then the collector is killed: what that had taken and not yet
# handed over is less than what a sensor sends again.
perl -e 'srand 5; printf "%d %s\n", $_, "x" x rand 200 for 1 .. 400000' > big
forget
"$RESUME" "${at[a]},${at[b]}" big type=3 slow=6 window=4000000 > said &
started
sensor=$pid
has_some() {
	[ "$(r EXISTS session_uuid:3)" = 1 ]
}
within 30 has_some
sleep 0.2
kill -STOP "$redis_pid"
sleep 2
die a
kill -CONT "$redis_pid"
begin a
finish "$sensor"
is "$status" 0 'Redis is mute, the collector is killed: answered'
like "$(cat said)" '^([2-9]|[1-9][0-9]+) sessions' 'it was in the midst'
there 'mute: lines' 3 big

both_end 'at the end'
done_testing
