#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-pibs against PIBS's own counts on real captures, on every link type, from
# any kind of file, whole and cut off.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
PIBS=$TOP/d4-pibs/d4-pibs
[ -d "$SHARED/captures" ] || skip_all 'no captures here'
C=$SHARED/captures

count() {
	grep -c '^[0-9]' out
}

# The column PIBS of the table in the captures' README.
expected() {
	awk -F'|' '/^\| [a-z0-9-]*\.pcap/ { gsub(/ /, ""); print $2, $8 }' \
	    "$C/README.md"
}

while read -r file lines; do
	run "$PIBS" --pibs-compat -b -r "$C/$file"
	is "$(count)" "$lines" "$file: as many lines as PIBS"
done < <(expected)

run "$PIBS" --pibs-compat -b -r "$C/tcp-refused.pcapng"
is "$(head -n 1 out)" '#timestamp, source IP, TCP flags, source port' \
    'the line with the names'
like "$(sed -n 2p out)" '^[0-9]+,[0-9.]+,20,[0-9]+$' 'a line'

# What PIBS misreads is read: the counts were taken by hand with tcpdump.
own() {
	run "$PIBS" -b -r "$C/$1"
	is "$status $(count)" "$2" "$1: $3"
}
own raw-rst-options.pcap '0 2' 'raw IP'
own sll-nsec-handshake.pcap '0 1' 'Linux cooked, the SYN/ACK alone'
own tcp6-rst.pcap '0 3' 'IPv6'
own vlan-qinq-http.pcap '0 2' 'stacked VLAN tags'
own frag-vlan-syn.pcap '0 0' 'fragments hold no flags'
own synscan.pcapng '0 17' 'answers to a scan, not the scanner'
own cut-off.pcap '1 0' 'a cut-off file is exit 1'
if command -v python3 > /dev/null; then
	for n in 8 9; do
		python3 "$TOP/t/pibs.py" nested $n > nested.pcap
		run "$PIBS" -b -r nested.pcap
		is "$(count)" $((n == 8 ? 2 : 0)) "$n tags, $n options"
	done
else
	skip 2 'python3 is not installed'
fi
run "$PIBS" -s -r "$C/syn-ecn-cwr-flood.pcap"
like "$(grep '^#class syn:' out)" 'syn: 9639' 'SYN with ECN bits is a SYN'

# The same file, whatever it is wrapped in.
src=$C/synack-reflection.pcap
run "$PIBS" -b -r "$src"
mv out want
is "$(grep -c '^[0-9]' want)" 7674 'plain'
gzip -c "$src" > a.pcap.gz
run "$PIBS" -b -r a.pcap.gz
ok 'gzip' cmp -s out want
head -c 300000 "$src" | gzip -c > b.gz
tail -c +300001 "$src" | gzip -c >> b.gz
run "$PIBS" -b -r b.gz
ok 'gzip in two members, by its content' cmp -s out want
if command -v zstd > /dev/null; then
	zstd -q "$src" -o a.zst
	run "$PIBS" -b -r a.zst
	ok 'zstd' cmp -s out want
else
	skip 1 'zstd is not installed'
fi
run "$PIBS" -b -r - < "$src"
ok 'standard input' cmp -s out want
# shellcheck disable=SC2002
cat "$src" | "$PIBS" -b -r - > out 2> err
ok 'a pipe' cmp -s out want
run "$PIBS" -b -r "$src" tcp src port 443
is "$(grep -vc '^#' out)" "$(grep -c ',443$' want)" 'a filter'
run "$PIBS" -b -r "$src" tcp nonsense port
is "$status" 2 'no filter at all'

# -w: what is written is read again, and nothing is left out.
run "$PIBS" -b -w w.pcap -r "$src"
ok 'lines beside -w' cmp -s out want
run "$PIBS" -b -r w.pcap
ok 'the same lines from what -w wrote' cmp -s out want
run "$PIBS" --pibs-compat -w w2.pcap -r "$src"
is "$(cat out)" '[INFO] Created pcap file w2.pcap' 'PIBS says so'
is "$("$PIBS" --pibs-compat -b -r w2.pcap | grep -c '^[0-9]')" 7678 \
    'and the file holds what it reports'
run "$PIBS" -w two.pcap -b -r "$C/tcp6-rst.pcap" -r "$C/raw-rst-options.pcap"
run "$PIBS" -b -r two.pcap
is "$(count)" 5 'two link types in one file'

# A live interface: the loopback, where we may.
if [ "$(id -u)" = 0 ] && [ -z "$SANITIZE" ]; then
	"$PIBS" -s -i lo tcp port 9 > live 2> err &
	pid=$!
	sleep 1
	(exec 3<> /dev/tcp/127.0.0.1/9) 2> /dev/null
	sleep 1
	kill "$pid" 2> /dev/null
	wait "$pid"
	is "$? $(grep -E '^#(class (syn|rst):|backscatter)' live | tr '\n' ' ')" \
	    '0 #backscatter of TCP: 0 #class syn: 1 #class rst: 1 ' \
	    'live: our own SYN makes us a scanner, ended by a signal'
else
	skip 1 'live capture is for root'
fi
run "$PIBS" -b -i no-such-interface
is "$status" 1 'no such interface'

# A signal while nothing has come yet, and while more may come.
mkfifo pipe
exec 9<> pipe
"$PIBS" -b -r - < pipe > out 2> err &
pid=$!
within 10 listens "$pid" d4-pibs
sleep 0.5
kill "$pid"
wait "$pid"
is "$? $(cat err)" '0 ' 'a signal before the first byte'
"$PIBS" -b -r - < pipe > out 2> err &
pid=$!
cat "$src" >&9
within 10 listens "$pid" d4-pibs
# Whether it has read all, for each signal a line.
# shellcheck disable=SC2317 # called by within
has_read() {
	kill -USR1 "$pid"
	sleep 0.3
	grep -q '8000 packets' err
}
within 10 has_read
kill "$pid"
wait "$pid"
is $? 0 'a signal in the middle'
exec 9>&-
ok 'all that came is written' cmp -s out want
like "$(cat err)" '8000 packets, 7674 backscatter' 'figures when asked for'

# A FIFO by its name is read once, and waited for.
"$PIBS" --pibs-compat -b -r "$src" > want
cat "$src" > pipe &
started
run "$PIBS" --pibs-compat -b -r pipe
ok 'a FIFO gives what a file gives' cmp out want
"$PIBS" --pibs-compat -b -r pipe > out 2> err &
started
within 10 listens "$pid" d4-pibs
kill -USR1 "$pid"
sleep 0.2
within 10 kill -0 "$pid"
exec 9<> pipe
cat "$src" >&9
exec 9>&-
wait "$pid"
is "$? $(cmp out want 2>&1)" '0 ' \
    'a signal for figures while a FIFO waits for its writer ends nothing'

# Usage.
for args in '' '-b' '-r x' '-a -b -r x' '-b -r x -i lo' '-b -u 1 -r x' \
    '-b -u 3d1a0a5a-2d4e-4f5c-8a55-2f2f6d0c9b11' '-b -r x --memory 1' \
    '-a -r x --window 7 --slide 2' '--telescope x -a -r x' '-b -r x --nope'; do
	# shellcheck disable=SC2086
	run "$PIBS" $args
	is "$status" 2 "usage: d4-pibs $args"
done
run "$PIBS" -h
is "$status $(head -c 6 out)" '0 usage:' 'help'
run "$PIBS" -b -r /nonexistent
is "$status" 1 'a file that is not there'
like "$(cat err)" '^d4-pibs: /nonexistent: No such file' 'is named'
run "$PIBS" -b -r "$TOP/LICENSE"
is "$status" 1 'a file that is no capture'
if [ -e /dev/full ]; then
	"$PIBS" -b -r "$src" > /dev/full 2> err
	is $? 1 'a full disk'
fi

done_testing
