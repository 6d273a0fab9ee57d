#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Records without data at a good rate, and memory by what was received, not
# by what was announced.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

rss() {
	awk '/^VmRSS/ { print $2 }' "/proc/$(pgrep -P "$server")/status"
}

# Hundredths of a second that the worker has had of a processor: a busy
# machine gives it fewer, and is no fault of it.
cpu() {
	awk '{ print $14 + $15 }' "/proc/$(pgrep -P "$server")/stat"
}

# rate name n option...: so many records in one connection.
rate() {
	local name=$1 n=$2 begun took rate
	shift 2
	begun=$(cpu)
	sensors -c "$n" -r 0 -t 3 "$@" > sent
	is "$?" 0 "$name: answered"
	took=$(($(cpu) - begun))
	rate=$((n * 100 / (took + 1)))
	if [ -n "$SANITIZE" ]; then
		skip 1 'a sanitizer takes its time'
	else
		ok "$name: at 200,000 a second of CPU or more: $rate" \
		    test "$rate" -ge 200000
	fi
	ok "$name: each is counted" within 5 grep -q \
	    "^d4_recv_records_total $n$" metrics
}

collector max_per_address=2000 max_unauthenticated=1500
with_tls
serve --metrics metrics
million=1000000 thousand=1000
# Who has not shaken hands after ten seconds is cut off.
[ "$SANITIZE" != valgrind ] || million=100000 thousand=20
within 10 pgrep -P "$server"
rate "$million over TLS" "$million"
stop

# A thousand that announce a million bytes each and send none of them.
serve --metrics metrics
within 10 pgrep -P "$server"
before=$(rss)
"$SENSORS" -a -n "$thousand" -t 3 "$port" &
started
ok "$thousand connections" within 30 \
    grep -q "^d4_recv_strangers $thousand\$" metrics
sleep 1
grown=$(($(rss) - before))
if [ -n "$SANITIZE" ]; then
	skip 1 'a sanitizer takes memory'
else
	ok "that announce much take less than 64 MiB: $grown KiB" \
	    test "$grown" -lt 65536
fi
kill "$pid"
finish "$pid"
ok 'and go' within 10 grep -q '^d4_recv_strangers 0$' metrics
stop
is "$status" 0 'exit 0'

done_testing
