#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The link is lost again and again: each session that arrives is a whole stream
# of its type, and nothing that was read is missing.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/ca.sh
. "$TOP/t/ca.sh"

command -v tcpdump > /dev/null || skip_all 'no tcpdump here'

CUTS=20
SEED=${D4_SEED:-$$}
echo "# seed $SEED"

# A capture whose packets all differ.
perl -e 'binmode STDOUT;
    print pack "VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1;
    for my $i (1 .. shift) {
	my $n = 60 + $i * 37 % 1440;
	print pack("VVVV", 1795220274 + int($i / 1e6), $i % 1e6, $n, $n),
	    pack("N", $i), "\x02" x ($n - 4);
    }' 50000 > capture
perl -e 'for (1 .. 400000) {
	printf "%07d a line of a log%s\n", $_,
	    $_ % 1000 ? "" : " and more" x 700;
    }' > log

# collector name [name=value...]: at $port, into the folder of that name.
collector() {
	local name=$1
	shift
	port=$(free_port)
	mkdir "$name"
	perl "$TOP/t/collector.pl" "$port" "$name" seed="$SEED" "$@" &
	started
	within 10 listens_at "$port"
}

# sensor name input [name=value...]: a d4 of that name, to $port.
sensor() {
	local name=$1 input=$2
	shift 2
	conf "c.$name" destination="tcp:127.0.0.1:$port" "$@"
	timeout 90 "$D4" -c "c.$name" --retry 1 < "$input" 2> "err.$name" &
	started
}

# All at once, since most of it is waiting.
collector pcap cuts="$CUTS" max=1500000
sensor pcap capture window=4194304
pcap=$pid
collector lines cuts="$CUTS" max=500000
sensor lines log type=8 window=4194304
lines=$pid
collector once cuts="$CUTS" max=500000
sensor once log type=3 window=0
once=$pid
printf '{"type":"ja3-jl","x":"%0200d"}\n' 7 > header
collector meta cuts=5 min=600 max=100000
head -c 1000000 log > part
conf c.meta
sensor meta part type=254 snaplen=100 metaheader.json="$(cat header)"
meta=$pid

# Over TLS, by a relay that is killed and started again.
collector behind
authority ca
certify ca server DNS:localhost
inner=$port
outer=$(free_port)
relay() {
	socat -b 65536 "OPENSSL-LISTEN:$outer,bind=127.0.0.1,reuseaddr,cert=server.pem,verify=0" \
	    "TCP:127.0.0.1:$inner" 2> /dev/null &
	started
	relay=$pid
}
relay
conf c.tls destination="localhost:$outer"
cp ca.crt c.tls/rootCA.crt
timeout 90 "$D4" -c c.tls --retry 1 --rate 8000000 < capture 2> err.tls &
started
tls=$pid
# sessions n: whether so many have begun.
# shellcheck disable=SC2317 # called by within
sessions() {
	# A relay that was connected to in vain has ended.
	kill -0 "$relay" || relay
	[ "$(find behind -type f | wc -l)" -ge "$1" ]
}
# Each kill has one to end.
for i in 1 2 3 4 5 6; do
	within 5 sessions "$i"
	sleep "0.$((RANDOM % 9))"
	kill -9 "$relay"
	wait "$relay" 2> /dev/null
	relay
	echo "# relay killed, $(find behind -type f | wc -l) sessions so far"
done

# strip name: each session of it without its records, as name/*.out.
# shellcheck disable=SC2317 # called by ok
strip() {
	local file
	conf_recv r
	for file in "$1"/???; do
		"$RECV" -c r < "$file" > "$file.out" 2> "$file.err" ||
		    grep -q 'ends within a record$' "$file.err" || {
			echo "$file: $(cat "$file.err")"
			return 1
		}
		[ -s "$file.out" ] || rm "$file.out"
	done
}

# captures name: whether tcpdump takes each session to its end.
# shellcheck disable=SC2317 # called by ok
captures() {
	local file
	for file in "$1"/*.out; do
		tcpdump -n -r "$file" > tcpdump.out 2> tcpdump.err &&
		    ! grep -v '^reading from file\|^Warning' tcpdump.err ||
		    return 1
	done
}

# The packets of captures, one a line, each once.
packets() {
	perl -MDigest::MD5=md5_hex -e 'for (@ARGV) {
		open my $in, "<:raw", $_ or die;
		read $in, my $head, 24;
		while (read $in, my $h, 16) {
			read $in, my $data, unpack "x8V", $h;
			print md5_hex($h, $data), "\n";
		}
	    }' "$@" | sort -u
}
packets capture > capture.packets

# hellos name: whether all sessions begin with the same bytes.
# shellcheck disable=SC2317 # called by ok
hellos() {
	local file
	for file in "$1"/???; do
		cmp -n "$2" "$1/000" "$file" || return 1
	done
}

# starts name: whether the first line of each session is whole.
# shellcheck disable=SC2317 # called by ok
starts() {
	local file
	for file in "$1"/*.out; do
		head -c 23 "$file" | grep -qx '[0-9]\{7\} a line of a log' ||
		    return 1
	done
}

finish "$pcap"
is "$status" 0 'a capture: all of it was sent'
is "$(grep -c 'again in' err.pcap)" "$CUTS" "over $CUTS cuts"
ok 'each session has whole records but for its end' strip pcap
ok 'each is a capture by itself' captures pcap
packets pcap/*.out > got
ok 'no packet is missing' cmp got capture.packets
ok 'each begins with the same hello' hellos pcap 62
"$RECORDS" -d < pcap/000 > records
like "$(head -1 records)" ' type 1 .* size 0 hmac good' 'of size 0'
like "$(sed -n 2p records)" ' size 24 hmac good' \
    'the preamble in a record of its own'

finish "$tls"
is "$status" 0 'over TLS, the relay killed: all of it was sent'
ok 'whole records' strip behind
ok 'each is a capture by itself' captures behind
packets behind/*.out > got
ok 'no packet is missing' cmp got capture.packets
ok 'there were sessions' test "$(find behind -name '???' | wc -l)" -gt 3

finish "$lines"
is "$status" 0 'lines: all of them were sent'
ok 'whole records' strip lines
ok 'each session starts with a line' starts lines
sort -u lines/*.out | grep -ax '[0-9]\{7\} a line of a log\( and more\)*' |
    sort -u > got
ok 'no line is missing' cmp got log

finish "$once"
is "$status" 0 'window 0: all lines were sent'
ok 'whole records' strip once
ok 'each session starts with a line' starts once
cat once/*.out | grep -ax '[0-9]\{7\} a line of a log\( and more\)*' > got
is "$(uniq -d got | wc -l)" 0 'no line comes twice'
ok 'and they come in order' sort -c got

is "$(head -qc 62 once/??? | od -An -v -tx1 -w62 | sort | uniq -d | wc -l)" 0 \
    'and each session has a hello of its own'

# Runs of one sensor, one at the heels of the other.
collector runs
conf c.runs destination="tcp:127.0.0.1:$port" type=8
for i in 1 2 3; do
	echo "$i" | timeout 30 "$D4" -c c.runs 2> err
done
is "$(head -qc 62 runs/??? | od -An -v -tx1 -w62 | sort -u | wc -l)" 3 \
    'no two streams have the same hello'

finish "$meta"
is "$status" 0 'type 254: all of it was sent'
ok 'whole records' strip meta
len=$((62 + 3 * 62 + $(wc -c < header)))
ok 'each session begins with the same bytes' hellos meta "$len"
is "$(find meta -name '???' | wc -l)" 6 'six of them'
"$RECORDS" -d < meta/003 | cut -d ' ' -f 3-4,9-12 | head -5 > records
is "$(cat records)" 'type 2 size 0 hmac good
type 2 size 100 hmac good
type 2 size 100 hmac good
type 2 size 25 hmac good
type 254 size 96 hmac good' 'hello, meta header, data'

done_testing
