#!/bin/sh
# SPDX-License-Identifier: ISC
#
# usage: run.sh corpus seconds name...
#
# Runs each fuzz program for so many seconds, from its seeds and what it found
# in earlier runs, which are in the folder corpus.  An input that fails stays
# there as NAME-crash-..., and the run ends with exit 1 once all had their turn.
# One line a program goes to corpus/runs too: seconds, inputs tried, how many of
# them the corpus has.

set -u
cd "$(dirname "$0")/../.." || exit 1
corpus=$1 seconds=$2
shift 2
status=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
log=$tmp/log
# For the programs whose decoder reads files; in memory where there is such.
[ ! -w /dev/shm ] || {
	scratch=$(mktemp -d /dev/shm/d4-fuzz.XXXXXX) || exit 1
	trap 'rm -rf "$tmp" "$scratch"' EXIT
	export TMPDIR="$scratch"
}

figure() {
	sed -n "s/^stat::$1: *//p" "$log"
}

for name; do
	mkdir -p "$corpus/$name"
	set -- "$corpus/$name" "t/fuzz/corpus/$name"
	nice ".fuzz/$name" -max_total_time="$seconds" -timeout=120 \
	    -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
	    -artifact_prefix="$corpus/$name-" -dict=t/fuzz/faults.dict "$@" > "$log" 2>&1 || {
		status=1
		cat "$log"
	}
	find "$corpus/$name" -type f | wc -l | {
		read -r kept
		echo "$name: $seconds s, $(figure number_of_executed_units)" \
		    "inputs, $kept in the corpus"
	} | tee -a "$corpus/runs"
done
exit "$status"
