#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What people type: help, version, wrong usage, and -n, which checks a
# configuration without doing anything.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf c
conf_recv r

for program in "$D4" "$RECV"; do
	name=${program##*/}
	[ "$name" = d4 ] && dir=c || dir=r

	run "$program" -h
	is "$status" 0 "$name -h: exit 0"
	like "$(cat out)" "^usage: $name " "$name -h: usage on stdout"
	is "$(wc -c < err)" 0 "$name -h: nothing on stderr"
	grep -o '^  -[a-zA-Z]' out > letters
	while read -r letter; do
		like "$(head -1 out)" "[[ -]${letter#-}|-[a-zA-Z]*${letter#-}" \
		    "$name -h: $letter is in the usage line"
	done < letters

	run "$program" -V
	is "$status" 0 "$name -V: exit 0"
	like "$(cat out)" "^$name [0-9]+\.[0-9]+\.[0-9]+$" "$name -V"

	for wrong in '' '-c' "-c $dir more" '-c' "-x -c $dir" "-c $dir -x" \
	    "--nonsense" "$dir"; do
		# shellcheck disable=SC2086 # several words
		run "$program" $wrong < /dev/null
		is "$status" 2 "$name $wrong: exit 2"
		like "$(cat err)" "^[^ ]*$name: .*
usage: $name " "and the reason, and a usage line"
		is "$(wc -c < out)" 0 "and nothing on stdout"
	done

	refuses "$name: no such directory" 2 "^$name: nowhere: No such" '' \
	    "$program" -c nowhere
	refuses "$name: a file as directory" 2 "^$name: c/key: Not a dir" '' \
	    "$program" -c c/key

	"$program" -n -c "$dir" > /dev/full 2> err
	is "$? $(cat err)" "1 $name: stdout: No space left on device" \
	    "$name -n with stdout full: exit 1 and a line"
done

for name in d4 d4-recv d4-stdout d4-meta d4-pibs d4-admin; do
	program=$TOP/$name/$name
	for option in h:help V:version; do
		run "$program" "-${option%:*}"
		mv out short
		run "$program" "--${option#*:}"
		is "$status $(wc -c < err)" '0 0' "$name --${option#*:}: exit 0"
		ok "and the same as -${option%:*}" cmp short out
		for form in "-${option%:*}" "--${option#*:}"; do
			"$program" "$form" > /dev/full 2> err
			is "$? $(cat err)" \
			    "1 $name: stdout: No space left on device" \
			    "$name $form with stdout full: exit 1 and a line"
		done
	done
done

# ---- -n -------------------------------------------------------------------

# -cc is an option of d4-goclient.
refuses 'd4: a directory given twice' 2 '^d4: -c: c: given twice$' '' \
    "$D4" -c c -cc
run "$D4" -n -c c < /dev/null
is "$status" 0 'd4 -n: exit 0'
for line in 'version: 1' 'type: 1 \(pcap\)' "uuid: $UUID" 'key: 21 bytes' \
    'snaplen: 4096' 'source: stdin' 'destination: stdout'; do
	like "$(cat out)" "(^|
)$line(
|$)" "it shows $line"
done
is "$(grep -cF "$KEY" out)" 0 'it never shows the key'

rm c/uuid
run "$D4" -n -c c < /dev/null
is "$status" 0 'without uuid: exit 0'
like "$(grep ^uuid: out)" 'made on the first run' 'it says what will happen'
ok 'and makes none' test ! -e c/uuid
conf c destination="$TMP/never" source="$TMP/neither"
run "$D4" -n -c c < /dev/null
is "$status" 0 'with paths: exit 0'
ok 'and opens none' test ! -e never

run "$RECV" -n -c r < /dev/null
is "$status" 0 'd4-recv -n: exit 0'
for line in 'source: stdin' 'destination: stdout' 'mode: shared-secret' \
    'key: 21 bytes' 'types: 1 2 3 4 5 6 7 8 254' 'metatypes: .*ja3-jl.*'; do
	like "$(cat out)" "(^|
)$line(
|$)" "it shows $line"
done
is "$(grep -cF "$KEY" out)" 0 'it never shows the key'

# All faults at once, one line each, none touches the rest.
printf 'x\n' > c/version
printf 'y\n' > c/snaplen
rm c/key c/uuid
run "$D4" -n -c c
is "$status" 2 'd4 -n with three faults: exit 2'
is "$(sed 's/: .*//;s/.*/fault/' err | wc -l)" 3 'three lines'
for name in version snaplen key; do
	is "$(grep -c "^d4: c/$name: .*(expected .*)$" err)" 1 \
	    "one names c/$name and what was expected"
done
is "$(wc -c < out)" 0 'nothing on stdout'
run "$D4" -c c < /dev/null
is "$status" 2 'and without -n the same'
ok 'a directory with faults gets no uuid' test ! -e c/uuid

done_testing
