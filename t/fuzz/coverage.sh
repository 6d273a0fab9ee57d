#!/bin/sh
# SPDX-License-Identifier: ISC
#
# usage: coverage.sh corpus name source...
#
# Says which share of the lines and branches of each source the seeds of a fuzz
# program reach, and what it found in earlier runs (the folder corpus): of all
# of the source, and of those functions that are called at all, for a source
# may hold more than a decoder.  With D4_FUZZ_SHOW set it shows the lines that
# none of them reaches.

set -eu
cd "$(dirname "$0")/../.."
corpus=$1 name=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$corpus/$name"

LLVM_PROFILE_FILE=$tmp/raw TMPDIR=$tmp ".cover/$name" \
    "t/fuzz/corpus/$name" "$corpus/$name" > /dev/null 2> "$tmp/err" || {
	cat "$tmp/err" >&2
	exit 1
}
llvm-profdata merge -o "$tmp/data" "$tmp/raw"
for source; do
	# Of each function: regions, lines and branches, each with how many
	# were missed and a share.
	llvm-cov report -show-functions -instr-profile "$tmp/data" \
	    ".cover/$name" "$source" | awk -v n="$name" -v s="$source" '
	    $4 !~ /%$/ || $1 == "TOTAL" { next }
	    { lines += $5; lost += $6; branches += $8; away += $9 }
	    $6 < $5 { l += $5; m += $6; b += $8; a += $9 }
	    function share(of, missed) {
		return of == 0 ? 100 : 100 * (of - missed) / of }
	    END { printf "%-13s %-29s %5.1f %% of lines, %5.1f %% of " \
		"branches; called: %5.1f %%, %5.1f %%\n", n, s,
		share(lines, lost), share(branches, away), share(l, m),
		share(b, a) }'
	[ -z "${D4_FUZZ_SHOW:-}" ] || llvm-cov show -instr-profile \
	    "$tmp/data" ".cover/$name" "$source" |
	    grep -E '^ *[0-9]+\| +0\|' || :
done
