#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# make bench: how fast d4-stdout is beside zcat, cat and redis-cli, as ratios of
# the medians of runs in turns.
#
#	BENCH_MIB=n	captures in rotated files, 1024
#	BENCH_ITEMS=n	lines in a Redis queue, 1000000
#	BENCH_RUNS=n	runs of each command, 5

set -eu
export LC_ALL=C
top=$(cd "$(dirname "$0")/../.." && pwd)
mib=${BENCH_MIB:-1024} items=${BENCH_ITEMS:-1000000} runs=${BENCH_RUNS:-5}
stdout=$top/d4-stdout/d4-stdout
uuid=3d1a0a5a-2d4e-4f5c-8a55-2f2f6d0c9b11
dir=$(mktemp -d "${TMPDIR:-/tmp}/d4-bench.XXXXXX")
redis=
cleanup() {
	[ -z "$redis" ] || kill "$redis"
	wait
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
cd "$dir"
queue=store/queues/1/$uuid
mkdir -p "$queue/new"

# 32 MiB a file, of the sample again and again; it is longer than the window
# of gzip, so that it is compressed as any other capture.
captures() {
	local i
	perl -e 'local $/; my $c = <STDIN>; my $n = int((32 << 20) /
	    length $c); print substr($c, 0, 24), substr($c, 24) x $n' \
	    < "$top/t/sample/telescope.pcap" > one.cap
	gzip -6 < one.cap > one.cap.gz
	for i in $(seq 1 $(((mib + 31) / 32))); do
		cp one.cap "$i.cap"
		cp one.cap.gz "$i.cap.gz"
	done
	rm one.cap one.cap.gz
}

# fill suffix: the names of those files.
fill() {
	local f i=0
	for f in "$PWD"/*"$1"; do
		i=$((i + 1))
		printf %s "$f" > "$queue/new/$(printf '%06d' $i)"
	done
}

lines() {
	perl -e 'my ($n, $key) = @ARGV;
	    while ($n > 0) {
		my @w = ("LPUSH", $key, map { "line of a log, number $_" }
		    $n - 499 .. $n);
		print "*", scalar @w, "\r\n", map { "\$" . length() .
		    "\r\n$_\r\n" } @w;
		$n -= 500;
	    }' "$items" "analyzer:3:$uuid" |
	    redis-cli -s "$dir/redis" -n 2 --pipe > /dev/null
}

# seconds cmd: how long it takes, in microseconds.
seconds() {
	local start=${EPOCHREALTIME/./}
	bash -c "set -o pipefail; $1"
	echo $((${EPOCHREALTIME/./} - start))
}

median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# compare name prepare ours theirs: prepare goes before each of both.
compare() {
	local ours=() theirs=() i o t
	for i in $(seq 1 "$runs"); do
		$2
		theirs+=("$(seconds "$4")")
		$2
		ours+=("$(seconds "$3")")
	done
	o=$(median "${ours[@]}") t=$(median "${theirs[@]}")
	printf '  %-46s %7d ms %7d ms %6d.%02d\n' "$1" $((o / 1000)) \
	    $((t / 1000)) $((t / o)) $((t * 100 / o % 100))
}

captures
printf '\n%d MiB of captures, %d items, medians of %d runs in turns\n' \
    "$mib" "$items" "$runs"
printf '  %-46s %10s %10s %9s\n' '' d4-stdout other 'to it'
export S="$stdout -d store -t 1 -u $uuid -f -e"
gz() { fill .cap.gz; }
cap() { fill .cap; }
compare '-f -m of .cap.gz, zcat' gz "\$S -m > /dev/null" \
    'zcat ./*.cap.gz > /dev/null'
compare '-f -z of .cap.gz, zcat' gz "\$S -z > /dev/null" \
    'zcat ./*.cap.gz > /dev/null'
compare '-f of .cap, cat' cap "\$S > /dev/null" \
    'cat ./*.cap > /dev/null'
compare '-f of .cap into a pipe, cat' cap "\$S | cat > /dev/null" \
    'cat ./*.cap | cat > /dev/null'
compare '-f -m of .cap into a pipe, cat' cap "\$S -m | cat > /dev/null" \
    'cat ./*.cap | cat > /dev/null'
compare '-f -m of .cap, cat' cap "\$S -m > /dev/null" \
    'cat ./*.cap > /dev/null'

if command -v redis-server > /dev/null; then
	redis-server --port 0 --unixsocket "$dir/redis" --save '' \
	    --dir "$dir" > redis.log 2>&1 &
	redis=$!
	until redis-cli -s redis ping > /dev/null 2>&1; do sleep 0.1; done
	compare 'lines of Redis, redis-cli with RPOP of 1000' lines \
	    "$stdout -S redis -t 3 -u $uuid -n -e > /dev/null" \
	    "yes 'RPOP analyzer:3:$uuid 1000' |
	    head -$(((items + 999) / 1000)) |
	    redis-cli -s redis -n 2 > /dev/null"
fi
