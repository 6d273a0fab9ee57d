#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-pibs takes any bytes: captures cut at every length, flipped bits, rubbish;
# it stays within its memory and within its time for sources made to collide.
# PIBS_LONG=1 cuts the large captures everywhere as well.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
PIBS=$TOP/d4-pibs/d4-pibs
PIBSPY=$TOP/t/pibs.py
command -v python3 > /dev/null || skip_all 'python3 is not installed'

# Reached by its name.
# shellcheck disable=SC2317
# A crash, a sanitizer's finding and a hang are none of 0, 1 and 2.
mangled() {
	python3 "$PIBSPY" mangle "$PIBS" "$@"
}
if [ -d "$SHARED/captures" ]; then
	ok 'captures cut at every length, flipped bits and bytes' mangled \
	    "$SHARED/captures" "${PIBS_LONG:-0}"
else
	skip 1 'no captures here'
fi

# What is read is not written.
cp "$TOP/t/sample/telescope.pcap" kept.pcap
cp kept.pcap in.pcap
for option in '-w in.pcap' '--plot ./in.pcap' '--bins 9 --bins-file in.pcap'; do
	# shellcheck disable=SC2086
	refuses "$option and -r in.pcap" 2 \
	    '^d4-pibs: (./)?in.pcap: is a file that is read$' '' \
	    "$PIBS" -s -r in.pcap $option
done
# shellcheck disable=SC2094 # just that
"$PIBS" -w - < in.pcap -r - >> in.pcap 2> err
is "$? $(cat err)" '2 d4-pibs: stdout: is a file that is read' \
    'stdin is stdout: exit 2 and one line'
ok 'the capture stays as it is' cmp kept.pcap in.pcap
ln -s in.pcap state
refuses 'what becomes the state is no output' 2 '^d4-pibs: in.pcap: is a file' \
    '' "$PIBS" -s -r kept.pcap -w in.pcap --state state
for options in '-w both --plot both' '-w both --bins 9 --bins-file ./both' \
    '--plot both --bins 9 --bins-file both'; do
	# shellcheck disable=SC2086
	refuses "$options" 2 '^d4-pibs: (./)?both: is a file that is written' \
	    '' "$PIBS" -r in.pcap $options
done
for options in '-b -w -' '-a --plot -' '-w - --plot -' \
    '-b --bins 9 --bins-file -'; do
	# shellcheck disable=SC2086
	run "$PIBS" -r in.pcap $options
	is "$status $(wc -c < out)" '2 0' "$options: stdout for one alone"
done
run "$PIBS" -s -w - -r in.pcap
cp out w.pcap
like "$(cat err)" '#packets: [1-9]' 'statistics beside a capture: on stderr'
run "$PIBS" -w w2.pcap -r in.pcap
ok 'and the capture is one' cmp w.pcap w2.pcap
printf 'longer than the lines of -w' > out.pcap
run "$PIBS" -w out.pcap -r /dev/null
is "$(wc -c < out.pcap)" 24 'another output is begun anew'

# A file that is opened is not taken for what was closed.
if [ "$SANITIZE" = valgrind ]; then
	"$PIBS" -w out.pcap -r in.pcap -b > lines 2> err
	skip 1 'valgrind opens a stdout that is closed'
else
	"$PIBS" -w out.pcap -r in.pcap -b >&- 2> err
	is "$? $(cat err)" '1 d4-pibs: stdout: Bad file descriptor' \
	    'stdout closed: exit 1 and one line'
fi
"$PIBS" -w same.pcap -r in.pcap 2>&- < /dev/null
is $? 0 'stderr closed: exit 0'
ok 'the same capture' cmp out.pcap same.pcap
refuses 'no such interface' 1 '^d4-pibs: nosuch0: No such device exists$' '' \
    "$PIBS" -a -i nosuch0
: > err

# Ten million sources of SYNs, and as many of SYN/ACKs.
if [ -z "$SANITIZE" ] && [ -x /usr/bin/time ]; then
	n=${PIBS_SOURCES:-10000000}
	python3 "$PIBSPY" sources "$n" 2 > syn.pcap
	run /usr/bin/time -f %M "$PIBS" -s -r syn.pcap
	is "$(grep -c "^#Number of unique IP addresses: $n$" out)" 1 \
	    "$n scanners are known, none has fallen out"
	ok 'within 256 MiB' test "$(tail -n 1 err)" -lt $((256 << 10))
	run /usr/bin/time -f %M "$PIBS" -a --memory 64M -r syn.pcap
	ok 'within 64 MiB when told so' test "$(tail -n 1 err)" -lt \
	    $((64 << 10))
	python3 "$PIBSPY" sources "$n" 18 > synack.pcap
	run /usr/bin/time -f %M "$PIBS" -a -s -r synack.pcap
	ok 'as many targets too' test "$(tail -n 1 err)" -lt $((256 << 10))
	ok 'what gave way is counted' grep -q '^#flows fallen out: [1-9]' err
	rm -f syn.pcap synack.pcap
	python3 "$PIBSPY" ages 500000 > ages.pcap
	run /usr/bin/time -f %M "$PIBS" --bins 1 -s --memory 32M -r ages.pcap
	ok 'times of all ages stay within memory' test "$(tail -n 1 err)" -lt \
	    $((32 << 10))
	is "$(($(tail -n +2 out | wc -l) +
	    $(sed -n 's/^#outside of bins: //p' err)))" 500000 \
	    'and what is outside of the bins is counted'
	ok 'and said' grep -q '^d4-pibs: bins: [0-9]* packets outside' err
	rm -f ages.pcap
else
	skip 8 'needs /usr/bin/time and no sanitizer'
fi

# Sources that meet in every table that masks, shifts or multiplies openly.
if [ -z "$SANITIZE" ]; then
	python3 "$PIBSPY" sources 400000 2 spread > spread.pcap
	python3 "$PIBSPY" sources 400000 2 collide > collide.pcap
	ok 'sources made to collide cost at most twice the time' \
	    python3 "$PIBSPY" compare "$PIBS" spread.pcap collide.pcap
else
	skip 1 'times mean nothing here'
fi

done_testing
