#!/bin/sh
# SPDX-License-Identifier: ISC
#
# usage: coverage.sh corpus name source...
#
# Says which share of the lines and branches of each source the seeds of a fuzz
# program reach, and what it found in earlier runs (the folder corpus).  With
# D4_FUZZ_SHOW set it shows the lines that none of them reaches.

set -eu
cd "$(dirname "$0")/../.."
corpus=$1 name=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$corpus/$name"

# shellcheck disable=SC2046 # no name has a blank
LLVM_PROFILE_FILE=$tmp/raw ".cover/$name" "t/fuzz/corpus/$name" \
    "$corpus/$name" > /dev/null 2> "$tmp/err" || {
	cat "$tmp/err" >&2
	exit 1
}
llvm-profdata merge -o "$tmp/data" "$tmp/raw"
for source; do
	llvm-cov export -summary-only -instr-profile "$tmp/data" \
	    ".cover/$name" "$source" | tr ',' '\n' | awk -v n="$name" \
	    -v s="$source" -F: '
	    /"branches"|"lines"/ { part = $0; sub(/.*"(branches|lines)".*/, "&", part)
		kind = /branches/ ? "branches" : "lines" }
	    /"percent"/ { v = $NF; gsub(/[}\]].*/, "", v); share[kind] = v
		kind = "other" }
	    END { printf "%-14s %-28s %6.1f %% of lines %6.1f %% of branches\n",
		n, s, share["lines"], share["branches"] }'
	[ -z "${D4_FUZZ_SHOW:-}" ] || llvm-cov show -instr-profile \
	    "$tmp/data" ".cover/$name" "$source" |
	    grep -E '^ *[0-9]+\| +0\|' || :
done
