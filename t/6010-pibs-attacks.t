#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-pibs -a against the truth of synthetic telescope traffic: every attack
# over the thresholds is found, none is invented, ports, times and counts are
# right; split files with a state give what one file gives.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
PIBS=$TOP/d4-pibs/d4-pibs
MAKE=$SHARED/tools/mktelescope.py
[ -r "$MAKE" ] || skip_all 'no mktelescope.py here'
command -v python3 > /dev/null || skip_all 'python3 is not installed'
CHECK=$TOP/t/pibs.py

telescope() {
	local name=$1
	shift
	python3 "$MAKE" --truth "$name.json" "$@" > "$name.pcap"
}

# judge name what loss also: compares the output with the truth.
judge() {
	ok "$2" python3 "$CHECK" judge "$1.json" out "${3:-0}" "${4:-}"
}

telescope plain -n 150000 --seed 7
run "$PIBS" -a -r plain.pcap
judge plain 'plain'
cp out plain.out
# A file is read by two threads, a pipe by one.
# shellcheck disable=SC2002
cat plain.pcap | "$PIBS" -a -r - > out 2> err
ok 'a pipe gives what a file gives' cmp out plain.out
# The two hand packets over in parts: one that was made ready twice would have
# all its SYN/ACKs repeated, one that was not would have none.  On one processor
# the one is often kept from its work by the other.
python3 "$CHECK" double plain.pcap > double.pcap
cpu=$(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')
i=0
while [ $((i += 1)) -le 4 ]; do
	run "$PIBS" -a -r double.pcap
	ok "SYN/ACKs sent twice, $i" python3 "$CHECK" doubled plain.json out
	run taskset -c "$cpu" "$PIBS" -a -r double.pcap
	ok "and on one processor, $i" python3 "$CHECK" doubled plain.json out
done
run "$PIBS" -a --also ack,dns -r plain.pcap
judge plain 'with bare ACKs and DNS' 0 ack,dns
telescope v6 -n 100000 --seed 3 --ipv6-share 0.2 --vlan-share 0.3 \
    --ipopt-share 0.2 --compromised 2
run "$PIBS" -a -r v6.pcap
judge v6 '20 % IPv6, VLAN, IP options, targets that send SYNs'
is "$(grep -c '"sent_syn"' out)" 2 'two targets that sent SYNs'
for link in raw null sll; do
	telescope "$link" -n 30000 --seed 5 --link "$link" --ipv6-share 0.2
	run "$PIBS" -a -r "$link.pcap"
	judge "$link" "link type $link"
done
telescope big -n 30000 --seed 9 --big-endian --nsec --snaplen 96
run "$PIBS" -a -r big.pcap
judge big 'big-endian, nanoseconds, cut frames'

python3 "$CHECK" shuffle plain.pcap > shuffled.pcap
cp plain.json shuffled.json
run "$PIBS" -a -r shuffled.pcap
judge shuffled 'shuffled by up to a second'
python3 "$CHECK" lose plain.pcap > lossy.pcap
cp plain.json lossy.json
run "$PIBS" -a -r lossy.pcap
judge lossy '5 % loss' 0.08

# One attack, all that is said of it.
telescope one -n 2000 --noise 0 --victims 0 --attack \
    victim=203.0.113.9,kind=synack,ports=80+443,start=10,end=310,rate=4,ack=fixed
run "$PIBS" -a --telescope /16 -r one.pcap
ok 'one attack' python3 "$CHECK" one out
run "$PIBS" --misp -r one.pcap
ok 'as a MISP object' python3 "$CHECK" misp out
run "$PIBS" -a --format table -r one.pcap
is "$(wc -l < out) $(awk 'NR == 2 { print $1, $2, $6, $10 }' out)" \
    '2 203.0.113.9 tcp 1201 80,443' 'as a table'
run "$PIBS" -a --min-packets 5000 -r one.pcap
is "$(wc -c < out)" 0 'a threshold is an option'
run "$PIBS" -a --interval 1 --min-duration 0 --min-ppm 0 --min-packets 1 \
    -r one.pcap
is "$(lines out)" 1 'silence shorter than the interval ends nothing'
run "$PIBS" --bins 100 -r one.pcap
is "$(tail -n +2 out | cut -d, -f2,3 | tr '\n' ' ')" \
    '360,1 400,1 400,1 41,1 ' 'bins'
# A target counts once, whatever it is silent and speaks of in between.
telescope often -n 2000 --noise 0 --victims 0 --attack \
    victim=203.0.113.9,kind=synack,ports=80,start=10,end=20,rate=4 --attack \
    victim=203.0.113.9,kind=rst,ports=80,start=800,end=810,rate=4 --attack \
    victim=203.0.113.9,kind=icmpport,ports=99,start=802,end=812,rate=4 \
    --attack victim=203.0.113.8,kind=synack,ports=80,start=10,end=20,rate=4
run "$PIBS" --bins 3600 -r often.pcap
like "$(tail -n +2 out | cut -d, -f3)" '^2$' \
    'bins: a target with silence and two protocols counts once'
run "$PIBS" --bins 400 -r often.pcap
is "$(tail -n +2 out | cut -d, -f3 | tr '\n' ' ')" '2 1 ' \
    'bins: and once in each'
run "$PIBS" --bins 100 --format json -r one.pcap
is "$(head -n 1 out)" '{"start":1600000000,"packets":360,"targets":1}' \
    'bins as JSON'
run "$PIBS" --plot plot.svg --bins 60 --bins-file bins.csv -a -r plain.pcap
judge plain 'attacks beside a picture and bins'
ok 'the picture is XML' python3 "$CHECK" svg plot.svg

# The state: in pieces, forwards, the same as at once.
run "$PIBS" -a -r v6.pcap
sort out > want
python3 "$CHECK" split v6.pcap 7
for i in 0 1 2 3 4 5 6; do
	flush=
	[ "$i" != 6 ] || flush=--flush
	run "$PIBS" -a --state st $flush -r "part$i.pcap"
	[ "$status" = 0 ] || fail "part $i" "exit $status"
	cat out
done > pieces
sort pieces | cmp -s - want
is $? 0 'seven runs with a state give what one gives'
run "$PIBS" -b -r v6.pcap
cp out want
rm -f st
for i in 0 1 2 3 4 5 6; do
	run "$PIBS" -b --state st -r "part$i.pcap"
	if [ "$i" = 0 ]; then cat out; else tail -n +2 out; fi
done > pieces
ok 'and so do the lines of -b' cmp pieces want
run "$PIBS" -a --state st -r part0.pcap --open
like "$(tail -n 1 out)" '"open":true' 'open attacks when asked for'
cp st good
printf 'x' | dd of=st bs=1 seek=200 conv=notrunc 2> /dev/null
run "$PIBS" -a --state st -r part1.pcap
is "$status" 2 'a damaged state is refused'
like "$(cat err)" '^d4-pibs: st: is damaged' 'and named'
head -c 100 good > st
run "$PIBS" -a --state st -r part1.pcap
is "$status" 2 'and so is one cut off'
cp good st
run "$PIBS" -a --state st --window 120 -r part1.pcap
is "$status" 2 'and one of another window'
ok 'a refused state is left alone' cmp st good

done_testing
