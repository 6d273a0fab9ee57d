#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Sensors that resume (d4-resume(7)): whatever is cut, the link or the
# collector, what is kept in the end is what was sent, each byte once.
#
#	D4_TEST_LONG=1	40 kills of the collector, else 5

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

RESUME=$TOP/t/tool/resumer.pl
times=5
[ -z "${D4_TEST_LONG:-}" ] || times=40
types=$(printf '%s\n' 1 2 3 5 7 8 9 254)

# Inputs: in1 (pcap), in5 (pcapng with interfaces in its middle), in7, in3, in9.
perl -e 'srand 1; my @in;
    sub put { open my $o, ">:raw", $_[0] or die; print $o @in; @in = () }
    sub block { my ($k, $b) = @_; $b .= "\0" x (-length($b) % 4);
	my $n = 12 + length $b; pack("VV", $k, $n) . $b . pack "V", $n }
    push @in, pack "VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1;
    for (1 .. 9000) { my $l = 60 + int rand 1000;
	push @in, pack("VVVV", $_, 0, $l, $l), chr(rand 256) x $l }
    put("in1");
    push @in, block(0x0a0d0d0a, pack "VvvVV", 0x1a2b3c4d, 1, 0, -1, -1),
	block(1, pack "vvV", 1, 0, 65535);
    for (1 .. 6000) { my $l = 60 + int rand 1000;
	push @in, block(1, pack "vvV", 1, 0, 65535) if $_ % 1500 == 0;
	push @in, block(6, pack("VVVVV", 0, 0, $_, $l, $l) .
	    chr(rand 256) x $l) }
    put("in5");
    for (1 .. 6000) { my $l = 20 + int rand 1000;
	push @in, pack("nnNNN", 10, $l + 16, $_, $_, 1), chr(rand 256) x $l }
    put("in7");
    push @in, "line " . int(rand 10) . " x" x int(rand 9) . "\n"
	for 1 .. 150000;
    push @in, "without an end"; put("in3");
    push @in, "y\n" x 500000; put("iny");
    push @in, pack "V*", map { rand 2 ** 32 } 1 .. 500000; put("in9")'
cp in3 in254
cp in3 in8

# kept type file [uuid]: all that the store has of a type, in order.
kept() {
	"$STORE" join s | grep "^${3:-$hex} $1 " | cut -d ' ' -f 4
}
hex=${UUID//-/}

# stored name type file: and it is what was sent.
stored() {
	is "$(kept "$2" x "${4:-$hex}")" "$(sha "$3")" "$1"
}

# -- the link is cut ----------------------------------------------------------

collector types="$types" metatypes=fascia rotate_size=1000000
serve -vv --metrics metrics
for t in 1 5 7 3 254 9; do
	ok "type $t: cut eight times, it goes on" \
	    "$RESUME" "$port" "in$t" type="$t" cuts=8 seed="$t" every=2000000
done
ok 'all is finished' within 60 all_finished
for t in 1 5 7 3 254 9; do
	stored "type $t: all of it once" "$t" "in$t"
done
ok 'the log says how it went on' said 'goes on, dropped as stored: [0-9]+ rec'
is "$(grep -c 'a gap\|with others' log)" 0 'always where it should'
ok 'and the figures' within 3 grep -q '^d4_recv_resumed_total 4[0-9]$' metrics
is "$(grep '^d4_recv_gaps' metrics)" 'd4_recv_gaps_total 0' 'without a gap'

# Half a million equal lines, many in each second.
ok 'equal lines' "$RESUME" "$port" iny type=8 cuts=8 rate=100000 size=1000 \
    window=400000 every=400000 how=rst
ok 'are finished' within 60 all_finished
stored 'and as many as were sent' 8 iny

# An end whose answer was lost: nothing comes twice.
ok 'a lost answer' "$RESUME" "$port" in3 type=3 noanswer=1 time=1700000000 \
    uuid=11111111111141118111111111111111
ok 'is no news' within 60 all_finished
stored 'all of it once' 3 in3 11111111111141118111111111111111

# The same before a collector that sees both connections at once.
late() {
	local pids
	pids="$server $(pgrep -P "$server")"
	# shellcheck disable=SC2086 # several
	kill -STOP $pids
	"$RESUME" "$port" in3 type=3 noanswer=1 time=1700000000 \
	    uuid="$1" > said.late 2>&1 &
	started
	sleep 0.5
	# shellcheck disable=SC2086
	kill -CONT $pids
	finish "$pid"
	is "$status" 0 "a late collector, $2: answered" "$(cat said.late)"
	# While a file gets its name a look at the store can miss it.
	within 60 all_finished
	stored 'all of it once' 3 in3 "$1"
}
for i in 2 3 4 5; do
	late "${i}1111111111141118111111111111111" "$i"
done

# A new run of the same sensor is another stream.
ok 'a second run' "$RESUME" "$port" in3 type=3 time=1700000009 \
    uuid=11111111111141118111111111111111
ok 'is finished' within 60 all_finished
cat in3 in3 > twice
stored 'and is kept as well' 3 twice 11111111111141118111111111111111

# An existing client, which begins with data, twice the same.
head -c 900000 in3 > part
for i in 1 2; do
	tell type=3,data=@part
done
ok 'a client that does not resume is finished' within 60 all_finished
is "$("$STORE" join s | grep "^$hex 3 " | cut -d ' ' -f 3)" \
    $((2 * 900000 + $(stat -c %s in3))) 'and all of it kept, each time'

# What hangs about of an end without the closing record is not kept: it will
# come again; with a closing record it is.
printf 'whole\nhalf' > lines
tell type=8,size=0,uuid=22222222222242228222222222222222 \
    type=8,data=@lines,uuid=22222222222242228222222222222222
within 10 all_finished
is "$(cat s/22222222222242228222222222222222/8/*/*/*/*)" whole \
    'an unclean end leaves whole lines'
tell type=8,size=0,uuid=22222222222242228222222222222222 \
    type=8,data=@lines,uuid=22222222222242228222222222222222
within 10 all_finished
is "$(cat s/22222222222242228222222222222222/8/*/*/*/*)" whole \
    'and none of them comes twice'
printf ' line\nnext\nla' > rest
tell type=8,size=0,uuid=22222222222242228222222222222222 \
    type=8,data=@lines,uuid=22222222222242228222222222222222 \
    type=8,data=@rest,uuid=22222222222242228222222222222222
within 10 all_finished
is "$(kept 8 x 22222222222242228222222222222222)" \
    "$(printf 'whole\nhalf line\nnext\n' | sha256sum | cut -d ' ' -f 1)" \
    'though a record was cut within'
tell type=8,uuid=33333333333343338333333333333333 \
    type=8,data=@lines,uuid=33333333333343338333333333333333 \
    type=8,uuid=33333333333343338333333333333333
within 10 all_finished
is "$(cat s/33333333333343338333333333333333/8/*/*/*/*)" "$(cat lines)" \
    'a clean end leaves all'
stop
is "$status" 0 'exit 0'
is "$(find s/.tail -name '*.0' | wc -l)" 15 'a tail for each stream'

# -- the collector is killed -----------------------------------------------------

# killed name option...: at random, with sensors of all types on the way.
killed() {
	local name=$1 i t rc=0 sensors=() worker
	shift
	collector types="$types" metatypes=fascia "$@"
	port=$(free_port)
	echo "tcp:127.0.0.1:$port" > r/source
	: > log.all
	restart
	for t in 1 5 7 3 254 9; do
		# Longer than all kills take: without TLS who is killed while
		# the end is awaited seems to answer it.
		"$RESUME" "$port" "in$t" type="$t" slow=$((times * 25)) \
		    give_up=300 \
		    > "said.$t" 2> "err.$t" &
		started
		sensors+=("$pid")
	done
	for ((i = 0; i < times; i++)); do
		sleep "0.$((RANDOM % 5 + 1))"
		for worker in $(pgrep -P "$server"); do
			kill -9 "$worker"
		done
		[ $((i % 2)) = 0 ] || {
			kill -9 "$server"
			wait "$server" 2> /dev/null
			restart
		}
	done
	for i in "${sensors[@]}"; do
		wait "$i" || rc=1
	done
	is "$rc" 0 "$name: each sensor gets its answer"
	ok "$name: nothing is left unfinished" within 60 all_finished
	kill "$server"
	finish "$server"
	for t in 1 5 7 3 254 9; do
		stored "$name, type $t: all of it once" "$t" "in$t"
	done
	is "$(grep -c 'a gap\|with others\|given up' log.all)" 0 \
	    "$name: it went on where it should"
}

restart() {
	begin_again log.all -vv -c r
	server=$pid
}

killed 'kill -9' rotate_size=1500000
killed 'kill -9 of two workers, compressed' workers=2 compress=gz \
    rotate_size=1000000
killed 'kill -9, one file' sync=never

done_testing
