#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Meta headers: type 2 opens a session of type 254, does not go to stdout, and
# -M writes it to a file.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf_recv r

printf '{\n  "type": "ja3-jl",\n  "encoding": "utf-8"\n}\n' > meta

"$RECORDS" type=2,data=@meta type=254,data=one type=254,data=two type=254 \
    > stream
run "$RECV" -c r < stream
is "$status" 0 'a meta header, then its data'
is "$(cat out)" onetwo 'the data alone is on stdout'
is "$(wc -c < err)" 0 'nothing is said'
run "$RECV" -c r -M saved < stream
is "$status" 0 '-M'
ok 'the header as it came is in the file' cmp saved meta
is "$(cat out)" onetwo 'the data is on stdout'
run "$RECV" -v -c r < stream
is "$(said)" \
    "d4-recv: stdin: uuid $UUID, type 254 (extended), 4 records, 6 bytes" \
    '-v counts the data'

# In parts, as a client with a small snaplen sends it.
split -b 7 meta part.
args=()
for part in part.*; do
	args+=("type=2,data=@$part")
done
"$RECORDS" "${args[@]}" type=2 type=254,data=one > stream
run "$RECV" -c r -M saved < stream
is "$status" 0 "in ${#args[@]} parts and an empty one"
ok 'the file has it joined' cmp saved meta
is "$(cat out)" one 'the data is on stdout'

"$RECORDS" type=2,data=@meta > stream
rm saved
run "$RECV" -c r -M saved < stream
is "$status" 0 'a meta header alone'
ok 'is written too' cmp saved meta
is "$(wc -c < out)" 0 'and nothing to stdout'

"$RECORDS" data=x > stream
rm saved
run "$RECV" -c r -M saved < stream
is "$status" 0 '-M with a stream that has none'
ok 'makes no file' test ! -e saved

"$RECORDS" type=2,data=@meta type=254,data=one > stream
printf one > one
run "$RECV" -c r -M nowhere/saved < stream
is "$status" 1 '-M where no file can be: exit 1'
is "$(cat err)" 'd4-recv: nowhere/saved: No such file or directory' 'one line'
is "$(wc -c < out)" 0 'before any data'
run "$RECV" -c r -M /dev/full < stream
is "$status $(cat err)" '1 d4-recv: /dev/full: No space left on device' \
    '-M on a full disk'

cp stream in
# shellcheck disable=SC2094 # that is the point
run "$RECV" -c r -M in < in
is "$status $(cat err)" '1 d4-recv: in: is the file that is read, or stdout' \
    '-M with the file that is read'
ok 'which stays as it is' cmp in stream
run "$RECV" -c r -M out < in
is "$status $(cat err)" '1 d4-recv: out: is the file that is read, or stdout' \
    '-M with the file that is written'

conf_recv collector destination=./s
refuses '-M for a collector' 2 '^d4-recv: -M: is for a filter \(expected ' '' \
    "$RECV" -c collector -M saved
for option in '--stats 1' '--metrics m'; do
	# shellcheck disable=SC2086 # two words
	refuses "$option for a filter" 2 \
	    "^d4-recv: ${option% *}: is for a collector \(expected " '' \
	    "$RECV" -c r $option
done

# ---- refused ------------------------------------------------------------------

# bad name reason output record...
bad() {
	local name=$1 reason=$2
	printf '%s' "$3" > want
	shift 3
	"$RECORDS" "$@" > stream
	rm -f saved
	refuses "$name" 1 "^d4-recv: stdin: record [0-9]+: $reason" want \
	    "$RECV" -c r -M saved < stream
	ok 'and no file is made' test ! -e saved
}

# hostile name text: as meta header before data.
hostile() {
	printf '%s' "$2" > hostile
	bad "$1" 'meta header not acceptable: ' '' \
	    type=2,data=@hostile type=254,data=never
}

hostile 'not JSON' 'hello'
hostile 'an array' '["type"]'
hostile 'a number' '7'
hostile 'no type' '{"encoding":"utf-8"}'
hostile 'type twice' '{"type":"ja3-jl","type":"ja3-jl"}'
hostile 'bytes behind' '{"type":"ja3-jl"} x'
hostile 'half of it' '{"type":"ja3-jl"'
hostile 'bad UTF-8' $'{"type":"ja3-jl","a":"\xff"}'
hostile '1500 brackets' "{\"type\":\"ja3-jl\",\"a\":$(printf '[%.0s' \
    {1..1500})$(printf ']%.0s' {1..1500})}"
hostile '33,000 objects' "$(printf '{}%.0s' {1..33000})"
printf '{"type":"../x"}' > path
bad 'a path as type' 'meta header not acceptable: its "type" is not a name' \
    '' type=2,data=@path type=254,data=never
printf '{"type":"ja3-jl\\u0000"}' > path
bad 'NUL in type' 'meta header not acceptable: its "type" is not a name' '' \
    type=2,data=@path type=254,data=never
bad 'an empty one' 'meta header not acceptable' '' type=2 \
    type=254,data=never
head -c 100000 /dev/zero | tr '\0' '[' > hostile
bad '100,000 brackets' 'meta header not acceptable: it is nested' '' \
    type=2,data=@hostile type=254,data=never
{ cat meta; printf '%100000s' ''; } > hostile
bad 'one over the limit' 'meta header not acceptable: it is too long$' '' \
    type=2,data=@hostile type=254,data=never
bad 'one over the limit, in parts' \
    'meta header not acceptable: it is too long$' '' type=2,data=@meta \
    type=2,bytes=500,times=200 type=254,data=never
bad 'a hostile one and nothing behind' 'meta header not acceptable' '' \
    type=2,data=never

printf '{"type":"unheard-of"}' > other
bad 'an extended type not accepted' \
    'type not accepted: its type is not among metatypes$' '' \
    type=2,data=@other type=254,data=never
bad 'a header with a bad HMAC' 'HMAC does not match$' '' \
    type=2,data=@meta,flip=70 type=254,data=never
bad 'another type behind it' 'type changed within the stream$' '' \
    type=2,data=@meta type=1,data=never
bad 'data with a bad HMAC behind it' 'HMAC does not match$' '' \
    type=2,data=@meta type=254,data=never,flip=62
"$RECORDS" type=2,data=@meta type=254,data=one type=2,data=@meta > stream
refuses 'a second header behind the data' 1 \
    'type changed within the stream$' one "$RECV" -c r < stream
conf_recv r types=$'1\n254'
bad 'type 2 not accepted' 'type not accepted$' '' type=2,data=@meta \
    type=254,data=never
conf_recv r types=$'1\n2'
bad 'type 254 not accepted' 'type not accepted$' '' type=2,data=never \
    type=254,data=never

done_testing
