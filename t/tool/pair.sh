# shellcheck shell=bash
# SPDX-License-Identifier: ISC
#
# For tests of two collectors, a and b, that share a Redis, which read this
# behind t/lib.sh and t/redis.sh.  Their ports are in ${at[a]}, their processes
# in ${is_at[a]}, their words in a.err.
#
#	two [name=value...]	both begin, with files, and with nothing known
#	begin name		starts the one that is configured in name/
#	die name		kill -9, with its workers
#	sensors option...	one of each type, that resumes, in the background
#	all_answered name	waits for them
#	stored name type file	both together have it in their files
#
# Files have numbers by which t/tool/union.pl sorts: in1 (pcap), in3 and in254
# (lines), in5 (pcapng; its packets alone are in packets5), iny (equal lines).

# What tests and checks have of it.
# shellcheck disable=SC2034,SC2154

RESUME=$TOP/t/tool/resumer.pl
UNION=$TOP/t/tool/union.pl
hex=${UUID//-/}
declare -A at=() is_at=()
types=$(printf '%s\n' 1 2 3 5 8 254)

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

begin() {
	begin_again "$1.err" -vv -c "$1"
	is_at[$1]=$pid
}

two() {
	local name
	r FLUSHALL > check
	rm -rf a.s b.s
	for name in a b; do
		at[$name]=$(free_port)
		conf_recv "$name" "source=tcp:127.0.0.1:${at[$name]}" \
		    "destination=$TMP/$name.s" \
		    "registry=redis:127.0.0.1:$redis/1" \
		    "queues=redis:127.0.0.1:$redis/2" types="$types" \
		    metatypes=fascia compress=none "$@"
		: > "$name.err"
		begin "$name"
	done
}

# One that waits for it says nothing of the end.
reap() {
	wait "$1" 2> /dev/null
}

# The parent goes first, or starts a worker again.
die() {
	# shellcheck disable=SC2046 # several
	kill -9 "${is_at[$1]}" $(pgrep -P "${is_at[$1]}")
	reap "${is_at[$1]}"
}

sensors() {
	local t
	sensors=()
	for t in 1 3 5 254; do
		"$RESUME" "${at[a]},${at[b]}" "in$t" type="$t" "$@" \
		    > "said.$t" 2> "err.$t" &
		started
		sensors+=("$pid")
	done
}

all_answered() {
	local s rc=0
	for s in "${sensors[@]}"; do
		wait "$s" || rc=1
	done
	is "$rc" 0 "$1: each sensor gets its answer"
	cat err.1 err.3 err.5 err.254
}

both_end() {
	kill "${is_at[a]}" "${is_at[b]}"
	finish "${is_at[a]}"
	is "$status" 0 "$1: one ends well"
	finish "${is_at[b]}"
	is "$status" 0 "$1: the other, too"
}

# Lines about streams that did not go on where they should.
astray() {
	cat a.err b.err | grep -c 'a gap\|with others\|given up'
}

# same name file want: they are.
same() {
	if cmp "$2" "$3" > check 2>&1; then
		pass "$1"
	else
		fail "$1" "$(cat check)" "$(wc -c < "$2") bytes, $(wc -c < \
		    "$3") wanted"
	fi
}

all_finished() {
	[ -z "$(find a.s/.open b.s/.open -type f)" ]
}

stored() {
	perl "$UNION" "$hex" "$2" a.s b.s > union
	same "$1" union "$3"
}
