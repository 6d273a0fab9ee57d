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
else
	skip 5 'needs /usr/bin/time and no sanitizer'
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
