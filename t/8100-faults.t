#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Every program with failing calls (t/fault/fault.c): the first, the second, ...
# call of each kind fails for each reason.  No crash, no hang, nothing said to
# have been done that was not, no half of anything taken for whole.
#
#	D4_TEST_LONG=1	each call; else the first ones and some of the rest

# Checks are reached by their names.
# shellcheck disable=SC2016,SC2317,SC2119

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

[ -z "$SANITIZE" ] || skip_all 'a sanitizer has allocations of its own'
FAULTS=$TOP/t/fault/fault.so
FIRST=3 SOME=3

# with FAULT cmd...: runs it so, at most half a minute: $status, out, err.
with() {
	local fault=$1
	shift
	status=0
	timeout 30 env LD_PRELOAD="$FAULTS" ${fault:+FAULT="$fault"} \
	    FAULT_COUNT="$TMP/count" "$@" > out 2> err || status=$?
}

# Which calls of so many are to fail.
chosen() {
	local n=$1 k
	for ((k = 1; k <= n; k++)); do
		if [ -n "${D4_TEST_LONG:-}" ] || [ "$k" -le $FIRST ] ||
		    [ $(((k - FIRST) % ((n - FIRST) / SOME + 1))) = 0 ]; then
			echo "$k"
		fi
	done
}

# What is wrong with the run that just was, nothing if it is as it should be.
judge() {
	if [ "$status" = 124 ]; then
		echo 'hangs'
	elif [ "$status" -gt 2 ]; then
		echo "exit $status"
	elif [ "$status" = 0 ]; then
		"whole_$1" || echo 'says it is done and it is not'
	elif ! grep -q '^d4[a-z-]*: ' err; then
		echo 'fails without a word'
	else
		"part_$1" || echo 'leaves what is not whole'
	fi
}

# sweep SCENARIO CALL REASON...
sweep() {
	local scenario=$1 call=$2 reason k n said bad
	shift 2
	rm -f count
	"begin_$scenario"
	"go_$scenario" ''
	said=$(judge "$scenario")
	if [ -n "$said" ] || [ "$status" != 0 ]; then
		fail "$scenario, without faults: $said" "exit $status"
		return
	fi
	n=$(awk -v call="$call" '$1 == call && $2 > n { n = $2 }
	    END { print n + 0 }' count)
	for reason; do
		bad=
		for k in $(chosen "$n"); do
			"begin_$scenario"
			"go_$scenario" "$call:$reason:$k"
			said=$(judge "$scenario")
			[ -z "$said" ] || bad="$bad
$call $k of $n, $reason: $said: $(head -n 1 err)"
		done
		if [ -z "$bad" ]; then
			pass "$scenario: $n times $call, $reason"
		else
			fail "$scenario: $n times $call, $reason" "${bad#?}"
		fi
	done
}

# all SCENARIO: everything that may fail there.
all() {
	local way
	sweep "$1" alloc ENOMEM
	sweep "$1" read EIO EINTR EAGAIN
	sweep "$1" write EIO ENOSPC EINTR EAGAIN
	sweep "$1" sync EIO ENOSPC
	sweep "$1" rename EIO ENOSPC
	sweep "$1" remove EACCES
	sweep "$1" open EMFILE ENOMEM
	sweep "$1" resize EIO
	sweep "$1" thread EAGAIN
	# What is no fault at all.
	for way in read:EINTR:1 write:EINTR:1 read:short:1+ write:short:1+; do
		"begin_$1"
		"go_$1" "$way"
		is "$status $(judge "$1")" '0 ' "$1: $way is no fault"
	done
}

begins_or_is_empty() {
	[ ! -s "$2" ] || begins "$1" "$2"
}

# -- d4, as a filter ----------------------------------------------------------

noise 60000 > input
conf c type=8
conf_recv cr
printf '%s\n' 1 2 3 8 254 > cr/types
echo ja3-jl > cr/metatypes

begin_d4() { :; }
go_d4() {
	with "$1" "$D4" -c c < input
}
# What its records hold, up to the first that is not whole.
unpack() {
	"$RECV" -c cr < out > unpacked 2> unpack.err
}
whole_d4() {
	unpack && cmp input unpacked
}
part_d4() {
	unpack
	begins_or_is_empty input unpacked
}
all d4

# -- d4, towards a collector that takes all -----------------------------------

sink_port=$(free_port)
mkdir sink
perl "$TOP/t/collector.pl" "$sink_port" sink &
started
within 10 listens_at "$sink_port"
seq 4000 > lines
conf cl type=3 source="$TMP/lines" destination="tcp:127.0.0.1:$sink_port"

begin_link() {
	rm -f sink/*
}
go_link() {
	with "$1" "$D4" --retry=0 -c cl
}
arrived() {
	cat sink/* > records 2> /dev/null
	"$RECV" -c cr < records > unpacked 2> unpack.err
}
# The sink writes what it was sent when it is scheduled.
whole_link() {
	within 5 eval 'arrived && cmp lines unpacked'
}
part_link() {
	arrived
	begins_or_is_empty lines unpacked
}
echo 3 > cr/types
all link

# -- d4-recv, as a filter -----------------------------------------------------

"$D4" -c c < input > records.d4 2> err
cp -r cr cf
echo 8 > cf/types

begin_recv() { :; }
go_recv() {
	with "$1" "$RECV" -c cf < records.d4
}
whole_recv() {
	cmp input out
}
part_recv() {
	begins_or_is_empty input out
}
all recv

# -- d4-recv, the collector ---------------------------------------------------

"$D4" -c cl -n > out 2>&1
"$RECORDS" $'type=3,data=the first line\nthe second line\nthe third\n' \
    type=3,bytes=3000 $'type=3,data=\nthe last line\n' > sensor
"$RECORDS" -d < sensor > shown 2>&1
{
	printf 'the first line\nthe second line\nthe third\n'
	printf 'x%.0s' {1..3000}
	printf '\nthe last line\n'
} > sent
collector types=3

begin_collect() {
	rm -rf s log
	mkdir s
}
# Serves one sensor, then ends; starts anew without faults, which finishes
# what was left.  A worker that dies at once is started again and again, and
# with it the fault, so a collector that never listens is no hang.
go_collect() {
	: > err
	env LD_PRELOAD="$FAULTS" ${1:+FAULT="$1"} FAULT_COUNT="$TMP/count" \
	    "$RECV" -v -c r > out 2> err &
	server=$!
	pids+=("$server")
	within 3 eval 'grep -q "listening on" err || ! kill -0 $server'
	port=$(sed -n 's/.*listening on port //p' err | head -n 1)
	heard=$port
	[ -z "$port" ] || timeout 3 socat -t 2 - "TCP:127.0.0.1:$port" \
	    < sensor > answer 2> /dev/null
	kill -TERM "$server" 2> /dev/null
	ends "$server"
	grep -Ev 'listening on|max_connections|records,' err > complaints
	if serve; then
		within 5 all_finished
		stop_quietly
	fi
}
# Its exit status, 124 when it has to be killed.
ends() {
	local killed=
	within 20 eval "! kill -0 $1" || killed=124
	[ -z "$killed" ] || kill -9 "$1"
	finish "$1"
	status=${killed:-$status}
}
stop_quietly() {
	local before=$status
	stop
	status=$before
}
stored() {
	files | xargs -r cat > stored
	cmp -s sent stored
}
# Only a run without a complaint promises anything, to a sensor that it heard
# (the fault may have been the line with the port).
whole_collect() {
	stored || { { [ -s complaints ] || [ -z "$heard" ]; } && part_collect; }
}
part_collect() {
	stored || begins_or_is_empty sent stored
}
# Each run takes a second and more.
FIRST=1 SOME=2
all collect

# -- the same of standard input ------------------------------------------------

conf_recv single destination="$TMP/s" compress=gz types=3

begin_single() {
	rm -rf s
	mkdir s
}
go_single() {
	with "$1" "$RECV" -c single < sensor
}
kept() {
	find s -name '*.gz' -exec zcat {} + > stored
	cmp -s sent stored
}
whole_single() {
	kept
}
# Another one finishes what was left.
part_single() {
	"$RECV" -c single < /dev/null 2> again.err &&
	    { kept || begins_or_is_empty sent stored; }
}
all single
FIRST=3 SOME=3

# -- d4-meta ------------------------------------------------------------------

echo '{"type":"ja3-jl","encoding":"utf-8"}' > meta.json

begin_meta() { :; }
go_meta() {
	with "$1" "$TOP/d4-meta/d4-meta" -c c < meta.json
}
whole_meta() {
	"$RECORDS" -d "$KEY" < out | grep -q 'type 2 .* hmac good'
}
part_meta() { :; }
all meta

# -- d4-pibs ------------------------------------------------------------------

SAMPLE=$TOP/t/sample/telescope.pcap
"$TOP/d4-pibs/d4-pibs" -b -r "$SAMPLE" > pibs.wanted 2> err
"$TOP/d4-pibs/d4-pibs" -a -r "$SAMPLE" > attacks.wanted 2> err

begin_pibs() { :; }
go_pibs() {
	with "$1" "$TOP/d4-pibs/d4-pibs" -b -r "$SAMPLE"
}
whole_pibs() {
	cmp out pibs.wanted
}
part_pibs() {
	begins_or_is_empty pibs.wanted out
}
all pibs

begin_attacks() { :; }
go_attacks() {
	with "$1" "$TOP/d4-pibs/d4-pibs" -a -r "$SAMPLE"
}
# Where no memory was left for more destinations that is said.
whole_attacks() {
	cmp -s out attacks.wanted || {
		grep -q '"destinations_at_least":true' out &&
		    cmp -s <(without_destinations < out) \
		    <(without_destinations < attacks.wanted)
	}
}
without_destinations() {
	sed 's/"destinations[a-z_]*":[a-z0-9]*,//g'
}
# Attacks of a part of a capture are attacks too, but smaller.
part_attacks() { :; }
all attacks

# What it remembers is that of the run before, or of this one.
"$TOP/d4-pibs/d4-pibs" -a --state remembered -r "$SAMPLE" > again.first 2> err
cp remembered state
"$TOP/d4-pibs/d4-pibs" -a --state state -r "$SAMPLE" > again.wanted 2> err

begin_state() {
	rm -f state*
	cp remembered state
}
go_state() {
	with "$1" "$TOP/d4-pibs/d4-pibs" -a --state state -r "$SAMPLE"
}
remembers() {
	[ "$(echo state*)" = state ] &&
	    "$TOP/d4-pibs/d4-pibs" -a --state state -r "$SAMPLE" > again
}
whole_state() {
	remembers && ! cmp -s state remembered
}
part_state() {
	remembers
}
all state

# -- d4-stdout ----------------------------------------------------------------

# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"

begin_queue() {
	backend dir
	pushed=0
	push one 'two words' three four
}
go_queue() {
	with "$1" "$STDOUT" "${WHERE[@]}" -n -e
}
whole_queue() {
	[ "$(tr '\n' . < out)" = 'one.two words.three.four.' ]
}
part_queue() {
	begins_or_is_empty <(printf 'one\ntwo words\nthree\nfour\n') out
}
all queue

# Files that are merged: what was not written out whole is kept, but for a
# file that can't be read.
gzip -c "$SAMPLE" > sample.gz

begin_merge() {
	backend dir
	pushed=0
	push "$SAMPLE" "$TMP/sample.gz" "$SAMPLE"
}
go_merge() {
	with "$1" "$STDOUT" "${WHERE[@]}" -f -m -a -e
}
begin_merge
go_merge ''
cp out merge.wanted
whole_merge() {
	cmp out merge.wanted
}
# Something is missing only with the names of files in the queue, or one that
# was skipped as unreadable.
part_merge() {
	cmp -s out merge.wanted || [ "$(waiting)" -gt 0 ] ||
	    [ "$(in_hand)" -gt 0 ] || grep -q 'Input/output error' err
}
all merge

# -- d4-admin -----------------------------------------------------------------

ADMIN=$TOP/d4-admin/d4-admin
U=11111111-1111-4111-8111-111111111111

begin_admin() {
	rm -rf st
	mkdir -p st/registry
}
go_admin() {
	with "$1" "$ADMIN" -d st sensor register "$U" --stdin \
	    --description 'a sensor' <<< 'a key for this test'
}
registered() {
	"$ADMIN" -d st sensor key "$U" --show 2> /dev/null |
	    grep -q 'a key for this test' &&
	    "$ADMIN" -d st sensor show "$U" | grep -q 'a sensor'
}
whole_admin() {
	registered
}
# It may be registered without all, but not with half a value.
part_admin() {
	[[ $("$ADMIN" -d st sensor key "$U" --show 2> /dev/null) =~ \
	    ^('a key for this test')?$ ]] &&
	    ! grep -rl 'a sensor' st | xargs -r grep -Lx 'a sensor' | grep -q .
}
all admin

done_testing
