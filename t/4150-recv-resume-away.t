#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# While Redis is away, or refuses, a collector says nothing, and finishes files
# of which nothing is told.  When it is back another does not take it for dead
# at once, and takes no stream from it that it has: each byte is stored once.
# What it let go meanwhile it lets go then, so that nobody waits for it.

# Checks are reached by their names.
# shellcheck disable=SC2317,SC2154

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"
# shellcheck source=t/tool/pair.sh
. "$TOP/t/tool/pair.sh"

# Of one at a, whose files are finished often.  Once it was cut it stays with b.
has_some() {
	[ -n "$(find a.s/.open -type f -size +1k)" ]
}

sensor() {
	two rotate_size=500000
	sends
}

sends() {
	to_b=$(for ((i = 0; i < 300; i++)); do echo -n ",${at[b]}"; done)
	"$RESUME" "${at[a]}$to_b" in3 type=3 slow=60 give_up=100 > said &
	started
	sensor=$pid
	within 20 has_some
	sleep 1
}

# a hears nothing and says nothing.
sleeps() {
	asleep="${is_at[a]} $(pgrep -P "${is_at[a]}")"
	# shellcheck disable=SC2086 # several
	kill -STOP $asleep
}

wakes() {
	# shellcheck disable=SC2086
	kill -CONT $asleep
}

# b asks it for the stream.
moves() {
	sleeps
	kill -USR1 "$sensor"
	sleep 1
}

done_with() {
	finish "$sensor"
	is "$status" 0 "$1: answered"
	ok "$1: nothing is left unfinished" within 60 all_finished
	# Who was without Redis may be about to ask it again, after 4 s at most;
	# ended before, it says that it could not hand over.
	sleep 5
	both_end "$1"
	ok "$1: a had a part" [ -d "a.s/$hex" ]
	ok "$1: b had the rest" [ -d "b.s/$hex" ]
	stored "$1: lines, each once" 3 in3
}

# Each time a is not there for a moment when Redis is back, and b asks first.
redis_begin one --appendonly yes --appendfsync always
sensor
moves
r REPLICAOF 127.0.0.1 1 > check
wakes
sleep 5
sleeps
r REPLICAOF NO ONE > check
sleep 3
wakes
done_with 'Redis refused'

# A question was on its way when it went.
sensor
moves
kill -STOP "$redis_pid"
sleep 0.3
kill -9 "$redis_pid"
reap "$redis_pid"
wakes
sleep 4
sleeps
redis_again one --appendonly yes --appendfsync always
sleep 5
wakes
done_with 'Redis was mute and killed'

# For longer than anybody waits for one that lives.
sensor
moves
kill "$redis_pid"
finish "$redis_pid"
wakes
sleep 11
sleeps
redis_again one --appendonly yes --appendfsync always
sleep 5
wakes
done_with 'Redis was away for long'

# That a lets go is refused once, for want of memory: it says so again, and b
# does not wait for it as long as for one that lives.
two rotate_size=500000
"$TOP/t/tool/redis-between.pl" "$redis" \
    "refuse=redis.call('HSET', k, 'holder', '')" > between &
started
within 5 [ -s between ]
echo "redis:127.0.0.1:$(head -1 between)/1" > a/registry
die a
begin a
sends
holder() {
	r -n 1 HGET "$(r -n 1 KEYS 'd4toolkit:tail:*' | grep -v tags)" holder
}
moved() {
	[ "$(holder)" != "$before" ]
}
before=$(holder)
kill -USR1 "$sensor"
ok 'it is refused to let go' within 10 grep -q refused between
ok 'and does so soon' within 7 moved
done_with 'refused to let go'

done_testing
