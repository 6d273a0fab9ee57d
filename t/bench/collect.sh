#!/bin/sh
# SPDX-License-Identifier: ISC
#
# The collector, as part of make bench: a capture from d4 over TLS into the
# store of d4-recv, beside socat to socat; and small records of many sensors.
#
#	BENCH_MIB=n	size of the capture, 1024
#	BENCH_RUNS=n	interleaved runs of each, 5
#	BENCH_JSON=file	the figures for machines too, in file.collect
#	TMPDIR=dir	where the files are written; a disk that is busy shows

set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/d4-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

perl "$top/t/bench/collect.pl" "$top" "$dir"
