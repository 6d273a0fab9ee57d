#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# From d4 to d4-recv over a bad link, both killed now and then: what is stored
# is what went in, not a byte lost and none twice.  t/bench/resume is the long
# form.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

SEED=${D4_SEED:-$$}
echo "# seed $SEED"

names=()
# stream name [name=value...]: in the background.
stream() {
	local name=$1
	shift
	perl "$TOP/t/tool/resume.pl" "$TOP" "$name" seed="$SEED" seconds=15 \
	    hole=5 "$@" > "$name.said" 2>&1 &
	started
	names+=("$name:$pid")
}

# All at once, since most of it is waiting.
stream pcap kind=pcap
stream lines kind=lines
stream pcap-memory kind=pcap spool=0 of=cut,recv,hole,stall
stream lines-memory kind=lines spool=0 of=cut,recv,hole,stall
# The spool has no room for more than a part of it.
stream large kind=pcap bytes=$((60 << 20)) spool=33554432 of=cut,d4,both

# A receiver that does not know records again: each session by itself.
for i in $(seq 60000); do
	echo "$((i - i % 5 / 4)) is what this line says"
done > log
port=$(free_port)
mkdir plain
perl "$TOP/t/collector.pl" "$port" plain seed="$SEED" cuts=5 min=1000 \
    max=900000 &
started
within 10 listens_at "$port"
conf c.plain destination="tcp:127.0.0.1:$port" type=8 source="$TMP/log" \
    spool="$TMP/s.plain"
for i in 1 2 3 4; do
	"$D4" -c c.plain --retry 1 --rate 3000000 2>> err.plain &
	started
	sleep 0.4
	kill -9 "$pid" 2> /dev/null || break
	finish "$pid" 2> /dev/null
done
[ "$status" = 0 ] || run "$D4" -c c.plain --retry 1
is "$status" 0 'to a plain filter: it ends well'
conf_recv r
bad=0
for file in plain/???; do
	run "$RECV" -c r < "$file"
	[ "$status" = 0 ] || grep -q 'ends within a record$' err ||
	    bad=$((bad + 1))
	mv out "$file.out"
	# Whole lines from the first on, as they stand in the log.
	head -n 1 "$file.out" | grep -qx '[0-9]* is what this line says' ||
	    [ ! -s "$file.out" ] || bad=$((bad + 1))
done
is "$bad" 0 'each session is well-formed'
cat plain/*.out | grep -x '[0-9]* is what this line says' | sort -u > got
ok 'and nothing is missing' cmp got <(sort -u log)

for one in "${names[@]}"; do
	finish "${one#*:}"
	name=${one%:*}
	sed 's/^/# /' "$name.said"
	if [ "$status" = 0 ]; then
		pass "$name: what is stored is what went in"
	else
		fail "$name: what is stored is what went in" \
		    "$(tail -n 5 "$name".*.log)"
	fi
done

done_testing
