#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Whatever goes into d4 comes out of d4-recv, byte for byte: captures and noise
# at each snaplen, in slices from one byte to a MiB.

# The captures are only read.
# shellcheck disable=SC2094

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf_recv r
: > empty
printf x > one
noise 70001 > noise
sample=$TOP/t/sample/telescope.pcap
inputs=(empty one noise "$sample")
for file in "$SHARED"/captures/*.pcap*; do
	[ -e "$file" ] && inputs+=("$file")
done

# Bytewise, captures would keep valgrind for an hour.
for snaplen in 1 7 4096 65535 1000000; do
	conf c snaplen="$snaplen"
	some=("${inputs[@]}")
	[ "$SANITIZE/$((snaplen < 4096))" != valgrind/1 ] ||
		some=(empty one noise)
	wrong=''
	for file in "${some[@]}"; do
		if ! pipeline c r < "$file" > out 2> err ||
		    [ "$(sha out)" != "$(sha "$file")" ]; then
			wrong="$wrong ${file##*/}"
		fi
	done
	is "$wrong" '' "${#some[@]} files at snaplen $snaplen"
done

# A file is read in full payloads, whatever the batches are.
for snaplen in 1 7 4096 65535 1000000; do
	conf c snaplen="$snaplen"
	run "$D4" -c c < noise
	"$RECORDS" -d < out > records
	full=$((70001 / snaplen)) rest=$((70001 % snaplen))
	is "$(grep -c " size $snaplen hmac good" records)" "$full" \
	    "snaplen $snaplen: full payloads"
	is "$(tail -2 records | head -1 | grep -c " size $((rest > 0 ?
	    rest : snaplen)) ")" 1 'then the rest'
	is "$(lines records)" "$((full + (rest > 0) + 1))" \
	    'and the closing record'
done

# Slices on the way in and on the way between.
conf c snaplen=4096
for slice in 1 2 61 62 63 1000 4096 4158 65536 1048576; do
	dd bs="$slice" status=none < "$sample" | "$D4" -c c > sealed 2> err
	is "${PIPESTATUS[1]}" 0 "d4 takes slices of $slice"
	dd bs="$slice" status=none < sealed | "$RECV" -c r > out 2>> err
	is "${PIPESTATUS[1]}" 0 "d4-recv takes slices of $slice"
	ok 'and gives the same bytes' cmp out "$sample"
done

if [ -d "$SHARED/captures" ]; then
	pass "captures of $(basename "$SHARED") were among them"
else
	skip 1 'the captures are not here'
fi

done_testing
