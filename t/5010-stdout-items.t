#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Items out of a queue, from a directory and from Redis alike: their order and
# bytes, following and draining, acknowledging, looking without taking, and
# what becomes of them when nobody reads or the disk is full.

# Conditions are for within to try; some functions are called by others.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"

has_lines() {
	[ "$(lines "$1")" -ge "$2" ]
}

items() {
	backend "$1"
	push one 'two words' three
	run "$STDOUT" "${WHERE[@]}" -e
	is "$status $(cat out err)" '0 onetwo wordsthree' "$1: items, nothing else"
	run "$STDOUT" "${WHERE[@]}" -e
	is "$status $(cat out err)" '0 ' "$1: an empty queue ends at once"
	push one 'two words' three
	run "$STDOUT" "${WHERE[@]}" -n -c 2
	is "$status $(tr '\n' . < out)" '0 one.two words.' "$1: -n -c 2"
	is "$(waiting) $(in_hand)" '1 0' "$1: takes no more than that"
	run "$STDOUT" "${WHERE[@]}" -n -c 5 -e
	is "$status $(cat out)" '0 three' "$1: -e ends before -c is reached"
	push "$(printf 'a\tb\001\377\134')" $'two\nlines'
	run "$STDOUT" "${WHERE[@]}" -k 5
	is "$status $(tr '\n' ' ' < out)" '0 two\012lines a\011b\001\377\\ ' \
	    "$1: -k shows the newest first, safely"
	run "$STDOUT" "${WHERE[@]}" -k 1
	is "$(cat out)" 'two\012lines' "$1: no more than asked for"
	run "$STDOUT" "${WHERE[@]}" -e
	is "$(od -An -tx1 < out | tr -d ' \n')" \
	    61096201ff5c74776f0a6c696e6573 "$1: any bytes, and -k took none"
}

about() {
	backend "$1"
	push one two
	run "$STDOUT" "${WHERE[@]}" -l
	is "$status $(tr '\n' ';' < out)" '0 length: 2;limit: default;' \
	    "$1: -l of a queue without definition"
	if [ "$1" = redis ]; then
		redis -n 0 hset "analyzer:$Q" max_size 500 description \
		    $'all\e of it' > /dev/null
	else
		echo 500 > "$queue/max_size"
		echo 'all \ of it' > "$queue/description"
	fi
	run "$STDOUT" "${WHERE[@]}" -l -k 1
	like "$(tr '\n' ';' < out)" \
	    '^length: 2;limit: 500;description: all ?\\(033|\\) of it;two;$' \
	    "$1: -l shows limit and description, with -k the newest item"
	is "$(waiting)" 2 "$1: and takes nothing"
}

follow() {
	backend "$1"
	rm -f out
	"$STDOUT" "${WHERE[@]}" -n --metrics m.prom > out 2> err &
	started
	within 10 listens "$pid" d4-stdout
	push one
	ok "$1: what comes is written at once" within 1 has_lines out 1
	push two three
	ok "$1: and what follows" within 2 has_lines out 3
	kill -USR1 "$pid"
	ok "$1: SIGUSR1 prints figures" within 3 grep -q \
	    '^d4-stdout: stdout: 3 items, 14 bytes, .* 0 skipped, .* up$' err
	ok "$1: --metrics" within 3 grep -q \
	    "^d4_stdout_items_total{uuid=\"$Q\",type=\"$TYPE\"} 3$" m.prom
	ends "$1: SIGTERM ends it cleanly" "$pid"
	is "$(grep -c '^d4_stdout' m.prom)" 6 "$1: every figure is there"
	"$STDOUT" "${WHERE[@]}" --stats 1 > out 2> err &
	started
	ok "$1: --stats prints a line each second" within 4 has_lines err 2
	ends "$1: then ends too" "$pid"
}


idle() {
	local pid before
	backend "$1"
	"$STDOUT" "${WHERE[@]}" > out 2> err &
	started
	within 10 listens "$pid" d4-stdout
	sleep "$((SLOW / 5)).2"
	before=$(awk '/^voluntary/ { print $2 }' "/proc/$pid/status")
	sleep 2.2
	ok "$1: it sleeps while nothing comes" test "$(($(awk \
	    '/^voluntary/ { print $2 }' "/proc/$pid/status") - before))" -le 4
	ends "$1: and wakes to end" "$pid"
}

# In a pipe that nobody reads an item stays, half written or not at all.
broken() {
	local big name=$1
	shift
	big=$(noise 1500000 | od -An -tx1 | tr -d ' \n')
	backend "$name"
	push first "$big" last
	"$STDOUT" "${WHERE[@]}" -n "$@" 2> err > >(head -c 1000 > part)
	is "$?" 1 "$name $*: a reader that is gone: exit 1"
	like "$(cat err)" '^d4-stdout: stdout: Broken pipe$' "$name $*: is said"
	within 5 test -s part
	is "$(waiting) $(in_hand) $(head -1 part)" '2 0 first' \
	    "$name $*: what was not written whole is put back"
	run "$STDOUT" "${WHERE[@]}" -n -e "$@"
	ok "$name $*: in its order, from its beginning" cmp -s out \
	    <(printf '%s\n' "$big" last)
}

# A reader may go while nothing comes.
gone() {
	backend "$1"
	mkfifo gone
	"$STDOUT" "${WHERE[@]}" > gone 2> err &
	started
	exec 9< gone
	sleep 0.3
	exec 9<&-
	finish "$pid"
	is "$status $(cat err)" \
	    '1 d4-stdout: stdout: nobody reads it any more' \
	    "$1: a reader that goes while nothing comes"
	rm gone
}

full() {
	backend "$1"
	push one two three
	run sh -c '"$@" > /dev/full' - "$STDOUT" "${WHERE[@]}" -e
	is "$status $(cat err)" \
	    '1 d4-stdout: stdout: No space left on device' "$1: a full disk"
	is "$(waiting) $(in_hand)" '3 0' "$1: loses no item"
	# Room for one item and a half.
	run sh -c 'ulimit -f 2; trap "" XFSZ; "$@" > small' - \
	    "$STDOUT" "${WHERE[@]}" -e
	is "$status $(cat small)" '0 onetwothree' "$1: there is room again"
	push "$(printf '%0400d' 1)" "$(printf '%0400d' 2)" \
	    "$(printf '%0400d' 3)"
	run sh -c 'ulimit -f 2; trap "" XFSZ; "$@" > small' - \
	    "$STDOUT" "${WHERE[@]}" -e
	is "$status $(stat -c %s small) $(waiting)" '1 800 1' \
	    "$1: of an item that does not fit nothing stays"
}

# Killed with an item in hand: the next start begins with it.
acknowledge() {
	local i
	backend "$1"
	push one two three
	run "$STDOUT" "${WHERE[@]}" -a -n -e
	is "$status $(tr '\n' . < out) $(waiting) $(in_hand)" \
	    '0 one.two.three. 0 0' "$1: -a: all written, none left"
	push "$(printf '%02000000d' 1)" two
	mkfifo slow
	"$STDOUT" "${WHERE[@]}" -a -n > slow 2> err &
	started
	exec 9< slow
	within 5 eval '[ "$(in_hand)" = 1 ]'
	is "$(waiting) $(in_hand)" '1 1' "$1: -a: one item in hand at a time"
	kill -KILL "$pid"
	finish "$pid"
	exec 9<&-
	rm slow
	is "$(waiting) $(in_hand)" '1 1' "$1: -a: it stays there after a crash"
	run "$STDOUT" "${WHERE[@]}" -a -n -e -v
	is "$status $(wc -c < out) $(tail -1 out)" '0 2000005 two' \
	    "$1: -a: the next start begins with it"
	like "$(cat err)" ': 1 items of an earlier run put back' \
	    "$1: -a: and says so"
	# Kills at any moment: nothing lost, and each kill doubles one at most.
	for i in $(seq 1 300); do echo "item $i"; done > all
	mapfile -t list < all
	push "${list[@]}"
	: > got
	for i in 1 2 3 4 5 6 7 8; do
		"$STDOUT" "${WHERE[@]}" -a -n >> got 2>> err &
		started
		sleep 0.0$i
		kill -KILL "$pid"
		finish "$pid"
	done 2> /dev/null
	run "$STDOUT" "${WHERE[@]}" -a -n -e
	cat out >> got
	ok "$1: -a: killed 8 times, nothing is lost" cmp -s \
	    <(sort -u got | grep '^item') <(sort all)
	ok "$1: -a: and each kill doubles one item at most" test \
	    "$(lines got)" -le 308
}

items dir
about dir
follow dir
idle dir
broken dir
broken dir -a
gone dir
full dir
acknowledge dir

if redis-server --version > /dev/null 2>&1; then
	redis_up
	items redis
	about redis
	follow redis
	idle redis
	broken redis
	broken redis -a
	gone redis
	full redis
	acknowledge redis
else
	skip 1 'no redis-server'
fi

done_testing
