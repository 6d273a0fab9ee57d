#!/bin/sh
# SPDX-License-Identifier: ISC
#
# make bench-idle: many sensors that are connected, authenticated and silent;
# what they cost in memory, and how long one more takes to be served meanwhile.
#
#	IDLE_SENSORS=n	10000
#	IDLE_AT_ONCE=n	of them connect at a time, 64

set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/d4-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

perl "$top/t/bench/idle.pl" "$top" "$dir"
