#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The sharing relay, end to end: sensors of several types send to a first
# collector; what it stores goes through d4-stdout, tcprewrite and d4 to a
# second one, which then holds the same packets without a private address.

# Conditions are for within to try; some functions are called by others.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"
for p in tcprewrite tcpdump zcat; do
	command -v $p > /dev/null || skip_all "no $p"
done
TYPE=1
FROM=10.1.0.0/16
TO=192.168.0.0/16
FILES=50

# A collector is $D4-RECV with a store; its number is in $pid.
collector() {
	"$RECV" -c "conf.$1" 2>> "$1.err" &
	started
	within 10 nc_open "$2"
}

nc_open() {
	: < "/dev/tcp/127.0.0.1/$1"
}

# sensor name type uuid < data: sends it to the first collector.
sensor() {
	conf "conf.$1" "type=$2" "uuid=$3" snaplen=1000 \
	    "destination=tcp:127.0.0.1:$port1"
	"$D4" -c "conf.$1" || echo "# sensor $1: exit $?"
}

stored() {
	find "$1" -path "*/1/*" -name '*.cap.gz' ! -path '*/.open/*'
}

# All packets of a store, sorted.
packets() {
	local f
	stored "$1" | while read -r f; do
		zcat "$f" | tcpdump -tt -nxr - 2> /dev/null |
		    perl -0pe 's/\n\t/ /g'
	done | sort
}

port1=$(free_port)
port2=$(free_port)
conf_recv conf.1 "source=tcp:127.0.0.1:$port1" "destination=$TMP/1" rotate=2
conf_recv conf.2 "source=tcp:127.0.0.1:$port2" "destination=$TMP/2" rotate=300

# ---- the first store ------------------------------------------------------

# Two captures with private addresses; a file each 3 kB or so makes 25 of each.
tcprewrite --pnat=198.18.0.0/16:$FROM -i "$TOP/t/sample/telescope.pcap" \
    -o private.pcap > /dev/null
tcpdump -nr private.pcap -w a.pcap -c 1000 2> /dev/null
tcpdump -nr private.pcap -w all.pcap -c 2000 2> /dev/null
{ head -c 24 a.pcap; tail -c +$(($(stat -c %s a.pcap) + 1)) all.pcap; } \
    > b.pcap
echo 2100 > conf.1/rotate_size
mkdir -p "1/queues/$TYPE/$Q"
collector 1 "$port1"
first=$pid
sensor a 1 11111111-2222-4333-8444-00000000000a < a.pcap &
sensor b 1 11111111-2222-4333-8444-00000000000b < b.pcap &
seq -f 'line %g of a log' 1 1000 |
    sensor c 3 11111111-2222-4333-8444-00000000000c
seq -f 'a.example.%g||IN' 1 1000 |
    sensor d 8 11111111-2222-4333-8444-00000000000d
backend=dir
queue=$TMP/1/queues/$TYPE/$Q
in_store() {
	[ "$(packets 1 | wc -l)" = 2000 ] &&
	    [ "$(waiting)" = "$(stored 1 | wc -l)" ]
}
ok 'the first store holds what the sensors sent' within 60 in_store
kill "$first"
finish "$first"
files=$(waiting)
ok "in $files rotated files, all of them in the queue" test "$files" -ge $FILES
ok 'and files of other types' test -n \
    "$(find 1 -path '*/8/*' -name '*.passivedns.txt*')"
ok 'with private addresses' test "$(packets 1 | grep -c ' 10\.1\.')" -gt 1000

# What is to arrive: each file by itself through tcprewrite.
stored 1 | while read -r f; do
	zcat "$f" | tcprewrite --pnat=$FROM:$TO -i - -o - 2> /dev/null |
	    tcpdump -tt -nxr - 2> /dev/null | perl -0pe 's/\n\t/ /g'
done | sort > want
is "$(lines want)" 2000 'all packets are to arrive'
cp -r "$queue/new" kept

# ---- the second store -----------------------------------------------------

conf relay.conf type=1 "destination=tcp:127.0.0.1:$port2" \
    uuid=11111111-2222-4333-8444-0000000000ee

# The relay from the tutorial; $1 is the way from files to captures.
relay() {
	case $1 in
	merge)	exec "$STDOUT" -t 1 -u $Q -d 1 -f -m "${@:2}" ;;
	*)	"$STDOUT" -t 1 -u $Q -d 1 -f "${@:2}" | zcat ;;
	esac | tcprewrite --pnat=$FROM:$TO -i - -o - | "$D4" -c relay.conf
}

begin() {
	rm -rf 2 "$queue/new"
	cp -r kept "$queue/new"
	: > 2.err
	collector 2 "$port2"
	second=$pid
}

# After the collector's end all files are complete.
end() {
	kill "$second"
	finish "$second"
	packets 2 > got
	is "$(waiting) $(in_hand)" '0 0' "$1: the queue is empty"
	ok "$1: the same packets, addresses rewritten" cmp -s "${2:-got}" want
	is "$(grep -c '[ .>]10\.1\.[0-9]' got)" 0 "$1: no private address"
	is "$(perl -ne 'my ($h) = /0x0000:\s+(.*)/ or next;
	    print "$_" if /: 0a01|0a01 [0-9a-f]{4}  /' got | head -3)" '' \
	    "$1: nor in the bytes of a header"
}

received() {
	[ "$(find 2 -type f -path '*.open*' -size +"$1"c | wc -l)" -gt 0 ]
}

begin
relay merge -e 2> relay.err
is "$(cat relay.err)" '' '-m: nothing to complain of'
end '-m'

# As the tutorial has it: zcat ends a capture where the next one begins, so a
# pipeline carries one file.
begin
relay zcat -e -c 1 2> relay.err
is "$(cat relay.err) $(waiting)" " $((files - 1))" 'zcat: a file, as written'
while [ "$(waiting)" -gt 0 ] && [ ! -s relay.err ]; do
	relay zcat -e -c 1 2>> relay.err
done
is "$(cat relay.err)" '' 'zcat: and all the others, one after the other'
end 'zcat'

# The second receiver is killed in the middle and comes back.
for how in '-m' '-m -a'; do
	begin
	mkdir later
	find "$queue/new" -type f | sort | tail -n +26 | xargs mv -t later
	# shellcheck disable=SC2086
	relay merge $how 2> relay.err &
	started
	pipe=$pid
	ok "$how: the first half is on its way" within 20 received 1000
	within 20 eval '[ "$(waiting)" = 0 ]'
	kill -KILL "$second"
	finish "$second"
	for f in later/*; do
		mv "$f" "$queue/new"
	done
	rmdir later
	ok "$how: d4 sees that its receiver is gone" within 20 grep -q \
	    '^d4: ' relay.err
	collector 2 "$port2"
	second=$pid
	within 60 eval '[ "$(waiting)" = 0 ]'
	pkill -TERM -P "$pipe" -f d4-stdout/d4-stdout
	finish "$pipe"
	is "$status" 0 "$how: killed and restarted: the relay ends cleanly"
	sleep 0.5
	kill "$second"
	finish "$second"
	packets 2 > got
	is "$(sort -u got | cmp - want)" '' \
	    "$how: killed and restarted: every packet arrived, and no other"
	is "$(grep -c '[ .>]10\.1\.[0-9]' got)" 0 \
	    "$how: killed and restarted: no private address"
done

done_testing
