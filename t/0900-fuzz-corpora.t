#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Each fuzz program takes its seeds without a fault, among them the inputs that
# once failed.  They are built here by the compiler of everything else, without
# an engine; "make fuzz" goes on from these seeds.

# Some write many small files: in memory where there is such.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
export TMPDIR=$TMP

for source in "$TOP"/t/fuzz/fuzz-*.c; do
	name=${source##*/fuzz-}
	name=${name%.c}
	seeds=$TOP/t/fuzz/corpus/$name
	run timeout 400 "$TOP/t/fuzz/replay-$name" "$seeds"
	is "$status $(cat out)" "0 $(find "$seeds" -type f | wc -l) inputs" \
	    "$name takes its seeds"
	is "$(find "$seeds" -type f -size +16k)" '' "which are small"
done

# seeds.py makes all of them but those.
cp -r "$TOP/t/fuzz/seeds.py" .
ok 'the seeds are made' python3 seeds.py
rm -rf made
mv corpus made
ok 'and are those of the tree' diff -r -x 'regress-*' made "$TOP/t/fuzz/corpus"

done_testing
