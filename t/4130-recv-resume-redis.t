#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Two collectors, each with its store, share a Redis: a sensor that resumes goes
# on at either, whatever is cut, killed or stopped.  What both stores have is
# what was sent, each byte once.
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

rounds=2
[ -z "${D4_TEST_LONG:-}" ] || rounds=12

done_with() {
	all_answered "$1"
	ok "$1: nothing is left unfinished" within 60 all_finished
	both_end "$1"
	stored "$1: pcap, each packet once" 1 in1
	stored "$1: lines, each once" 3 in3
	stored "$1: pcapng, each packet once" 5 packets5
	stored "$1: an extended type, each line once" 254 in254
}

# -- the link is cut ----------------------------------------------------------

redis_begin one
for sync in second always never; do
	two sync=$sync rotate_size=1000000
	sensors cuts=9 every=2000000
	done_with "cut, sync $sync"
	is "$(astray)" 0 "cut, sync $sync: always where it should"
	ok "cut, sync $sync: one has some of it" [ -d "a.s/$hex" ]
	ok "cut, sync $sync: so has the other" [ -d "b.s/$hex" ]
done

two
"$RESUME" "${at[a]},${at[b]}" iny type=8 cuts=9 rate=100000 size=1000 \
    window=400000 every=400000 how=rst > said
is $? 0 'equal lines'
both_end 'equal lines'
stored 'equal lines: as many as were sent' 8 iny

# What it costs: 8 bytes for each record of the last 16 MiB.
key=$(r -n 1 KEYS 'd4toolkit:tail:*:tags')
usage=$(r -n 1 MEMORY USAGE "$key")
ok "a tail of $(r -n 1 LLEN "$key") pieces takes $usage bytes" \
    [ "$usage" -le 65536 ]

# -- they are killed ----------------------------------------------------------

for sync in second never; do
	two sync=$sync rotate_size=1500000 workers=2
	sensors slow=$((rounds * 35)) give_up=200
	for ((i = 0; i < rounds; i++)); do
		sleep "0.$((RANDOM % 5 + 3))"
		die a
		sleep "0.$((RANDOM % 5 + 3))"
		begin a
		sleep "0.$((RANDOM % 5 + 3))"
		die b
		sleep "0.$((RANDOM % 9))"
		begin b
	done
	done_with "kill -9, sync $sync"
	is "$(astray)" 0 "kill -9, sync $sync: always where it should"
done

# One is gone for as long as the stream lasts: what it has behind the place from
# which the other went on is cut when it is back.
two rotate_size=1500000
sensors slow=20 give_up=200
sleep 1.5
die a
all_answered 'one is gone'
begin a
done_with 'it is back'

# A window that is less than what is stored in the second that is not told of,
# yet more than a kernel holds: the first record tells where the other one's end
# is.
perl -e 'srand 5; printf "%d %s\n", $_, "x" x rand 200 for 1 .. 400000' > big
two
"$RESUME" "${at[a]},${at[b]}" big type=3 slow=3 window=2500000 > said &
started
sensor=$pid
for i in 1 2; do
	sleep 0.9
	die a
	sleep 0.9
	begin a
	die b
	begin b
done
finish "$sensor"
is "$status" 0 'a fast sensor: answered'
ok 'a fast sensor: nothing is left unfinished' within 60 all_finished
both_end 'a fast sensor'
stored 'a fast sensor: lines, each once' 3 big

# -- they are stopped ---------------------------------------------------------

# For longer than others wait; then they go on with what their kernels had.
two rotate_size=1500000
sensors slow=130 give_up=200
for name in a b; do
	workers="${is_at[$name]} $(pgrep -P "${is_at[$name]}")"
	sleep 0.6
	# shellcheck disable=SC2086 # several
	kill -STOP $workers
	# Sensors notice nothing: they are told.
	kill -USR1 "${sensors[@]}" 2> /dev/null
	sleep 4.5
	# shellcheck disable=SC2086
	kill -CONT $workers
done
done_with 'stopped'

# -- Redis --------------------------------------------------------------------

redis_killed() {
	kill -9 "$redis_pid"
	reap "$redis_pid"
}

kill "$redis_pid"
finish "$redis_pid"
redis_begin two --appendonly yes --appendfsync always
two rotate_size=1500000
sensors slow=60 cuts=3 every=4000000 give_up=200
for i in 1 4; do
	sleep 1
	redis_killed
	sleep $i
	redis_again two --appendonly yes --appendfsync always
done
goes_on() {
	[ "$(grep -c 'shared tails wait' "$1.err")" = \
	    "$(grep -c 'shared tails go on' "$1.err")" ]
}
ok 'Redis was killed twice: it is said that tails wait' \
    grep -q 'shared tails wait' a.err
ok 'and that they go on' within 10 goes_on a
ok 'of the other, too' within 10 goes_on b
done_with 'Redis killed'

# It loses all it had: what a collector holds it tells again, and so the stream
# goes on at the other.
two
"$RESUME" "${at[a]},${at[b]}" in3 type=3 slow=50 > said &
started
sensor=$pid
sleep 1.5
r FLUSHALL > check
knows() {
	[ "$(r -n 1 HEXISTS "$(r -n 1 KEYS 'd4toolkit:tail:*' |
	    grep -v tags)" store)" = 1 ]
}
ok 'Redis was emptied: it is told again' within 30 knows
sleep 1.5
die a
sleep 0.5
begin a
finish "$sensor"
is "$status" 0 'emptied: answered'
ok 'emptied: nothing is left unfinished' within 60 all_finished
both_end 'emptied'
stored 'emptied: lines, each once' 3 in3

done_testing
