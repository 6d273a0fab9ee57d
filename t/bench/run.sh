#!/bin/sh
# SPDX-License-Identifier: ISC
#
# make bench: how fast the programs are, as ratios to cat in their place.
#
#	BENCH_MIB=n	size of the input, 1024
#	BENCH_RUNS=n	interleaved runs of each command, 5
#	BENCH_JSON=file	the figures for machines too
#	PEER=path	another d4, which takes -c DIR, beside ours

set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/d4-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

perl "$top/t/bench/measure.pl" "$top" "$dir"
