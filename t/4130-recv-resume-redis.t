#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Two collectors, each with its store, share a Redis: a sensor that resumes goes
# on at either, whatever is cut, killed or stopped.  What both stores have is
# what was sent, each byte once.
#
#	D4_TEST_LONG	not empty: 12 rounds of kills instead of 3

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

RESUME=$TOP/t/tool/resumer.pl
UNION=$TOP/t/tool/union.pl
hex=${UUID//-/}
rounds=3
[ -z "${D4_TEST_LONG:-}" ] || rounds=12
types=$(printf '%s\n' 1 2 3 5 8 254)

# Inputs with numbers that union.pl sorts by: in1 (pcap), in5 (pcapng whose
# packets alone are compared), in3 (lines); iny: equal lines.
perl -e 'srand 1; my @in;
    sub put { open my $o, ">:raw", $_[0] or die; print $o @in; @in = () }
    sub block { my ($k, $b) = @_; $b .= "\0" x (-length($b) % 4);
	my $n = 12 + length $b; pack("VV", $k, $n) . $b . pack "V", $n }
    push @in, pack "VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1;
    for (1 .. 9000) { my $l = 60 + int rand 1000;
	push @in, pack("VVVV", $_, 0, $l, $l), chr(rand 256) x $l }
    put("in1");
    my @packets;
    push @in, block(0x0a0d0d0a, pack "VvvVV", 0x1a2b3c4d, 1, 0, -1, -1),
	block(1, pack "vvV", 1, 0, 65535);
    for (1 .. 6000) { my $l = 60 + int rand 1000;
	push @in, block(1, pack "vvV", 1, 0, 65535) if $_ % 1500 == 0;
	push @packets, block(6, pack("VVVVV", 0, 0, $_, $l, $l) .
	    chr(rand 256) x $l);
	push @in, $packets[-1] }
    put("in5"); @in = @packets; put("packets5");
    push @in, "$_ line " . "x" x int(rand 60) . "\n" for 1 .. 150000;
    put("in3");
    push @in, "1\n" x 500000; put("iny")'
cp in3 in254

# recv name [name=value...]: its configuration; begin name: starts it.
recv() {
	local name=$1 p
	shift
	p=$(free_port)
	conf_recv "$name" "source=tcp:127.0.0.1:$p" "destination=$TMP/$name.s" \
	    "registry=redis:127.0.0.1:$redis/1" \
	    "queues=redis:127.0.0.1:$redis/2" types="$types" metatypes=fascia \
	    compress=none "$@"
	eval "port_$name=$p"
	: > "$name.err"
}

begin() {
	local name=$1 i
	# The port may be held for a moment by one that was killed.
	for ((i = 0; i < 50; i++)); do
		"$RECV" -vv -c "$name" 2>> "$name.err" &
		started
		eval "pid_$name=$pid"
		within 3 pgrep -P "$pid" && return
		sleep 0.1
	done
}

# Kills it with its workers.
die() {
	local name=pid_$1 worker
	for worker in $(pgrep -P "${!name}"); do
		kill -9 "$worker"
	done
	kill -9 "${!name}"
	wait "${!name}" 2> /dev/null
}

# two [name=value...]: both begin, with nothing known.
two() {
	r FLUSHALL > check
	rm -rf a.s b.s
	recv a "$@"
	recv b "$@"
	begin a
	begin b
}

# Both end; nothing may be left unfinished.
both_end() {
	kill "$pid_a" "$pid_b"
	finish "$pid_a"
	is "$status" 0 "$1: one ends well"
	finish "$pid_b"
	is "$status" 0 "$1: the other, too"
}

all_finished() {
	[ -z "$(find a.s/.open b.s/.open -type f)" ]
}

# stored name type file: both together have it.
stored() {
	perl "$UNION" "$hex" "$2" a.s b.s > union 2> err || cat err
	cmp union "$3" > check 2>&1 && pass "$1" || fail "$1" "$(cat check)" \
	    "$(wc -c < union) bytes, not $(wc -c < "$3")"
}

# Lines about streams that did not go on where they should.
astray() {
	cat a.err b.err | grep -c 'a gap\|with others\|given up'
}

# sensors option...: one of each type, in the background: $sensors.
sensors() {
	local t
	sensors=()
	for t in 1 3 5 254; do
		"$RESUME" "$port_a,$port_b" "in$t" type="$t" "$@" \
		    > "said.$t" 2> "err.$t" &
		started
		sensors+=("$pid")
	done
}

# Waits until all of it is stored, and looks.
done_with() {
	local name=$1 s rc=0
	for s in "${sensors[@]}"; do
		wait "$s" || rc=1
	done
	is "$rc" 0 "$name: each sensor gets its answer"
	cat err.*
	ok "$name: nothing is left unfinished" within 60 all_finished
	both_end "$name"
	stored "$name: pcap, each packet once" 1 in1
	stored "$name: lines, each once" 3 in3
	stored "$name: pcapng, each packet once" 5 packets5
	stored "$name: an extended type, each line once" 254 in254
}

# -- the link is cut ----------------------------------------------------------

redis_begin one
for sync in second always never; do
	two sync=$sync rotate_size=1000000
	sensors cuts=9 every=2000000
	done_with "cut, sync $sync"
	is "$(astray)" 0 "cut, sync $sync: always where it should"
	ok "cut, sync $sync: both have some of it" \
	    [ -n "$(find a.s/$hex/3 b.s/$hex/3 -type f | cut -d . -f 1 | uniq -d |
	    sort -u | head -n 1)" ]
done

two
"$RESUME" "$port_a,$port_b" iny type=8 cuts=9 rate=100000 size=1000 \
    window=400000 every=400000 how=rst > out 2> err
is $? 0 'equal lines'
both_end 'equal lines'
stored 'equal lines: as many as were sent' 8 iny

# -- they are killed ----------------------------------------------------------

for sync in second never; do
	two sync=$sync rotate_size=1500000
	sensors slow=$((rounds * 40)) give_up=200
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

done_testing
