#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What d4-recv refuses: exit 1, one line with the reason, all good payloads
# before it, and not one byte that was not verified.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf_recv r types=$'1\n2\n3\n254'
other=11111111222243338444555555555555
v1=0f3c2a9e5b711c8d9a647e2d1b0c9f35

# takes name output record...: the records are taken and give that output.
takes() {
	local name=$1 want=$2
	shift 2
	"$RECORDS" "$@" > stream
	run "$RECV" -c r < stream
	if [ "$status" = 0 ] && [ ! -s err ] && [ "$(cat out)" = "$want" ]
	then
		pass "$name"
	else
		fail "$name" "exit $status" "stdout: $(head -c 99 out)"
	fi
}

# bad name reason output record...: refused with exactly that reason, after
# that output.
bad() {
	local name=$1 reason=$2
	printf '%s' "$3" > want
	shift 3
	"$RECORDS" "$@" > stream
	refuses "$name" 1 "^d4-recv: stdin: record [0-9]+: $reason$" want \
	    "$RECV" -c r < stream
}

hmac='HMAC does not match'
short='stream ends within a record'

takes 'no record at all' ''
takes 'a closing record alone' '' data=
takes 'records, empty ones among them' abcdef data=abc data= data=def data=
takes 'any version' abc version=0,data=a version=255,data=b version=1,data=c
takes 'any time' ab time=0,data=a time=18446744073709551615,data=b
takes 'the greatest payload' "$(printf '%1000000s' '' | tr ' ' x)" \
    bytes=1000000

# ---- each way to be wrong, as first record and behind a good one ------------

while IFS='|' read -r name reason record; do
	bad "$name, first" "$reason" '' "$record"
	bad "$name, second" "$reason" good data=good "$record"
	bad "$name, with good ones behind" "$reason" good data=good "$record" \
	    data=never times=3,data=never
done <<L
another key|$hmac|key=wrong,data=bad
a key with a blank|$hmac|key=a key for these tests ,data=bad
a changed version|$hmac|data=bad,flip=0
a changed time|$hmac|data=bad,flip=18
a changed tag, first byte|$hmac|data=bad,flip=26
a changed tag, last byte|$hmac|data=bad,flip=57
a changed payload, first byte|$hmac|data=bad,flip=62
a changed payload, last byte|$hmac|data=bad,flip=64
an empty record with another key|$hmac|key=wrong
a uuid of version 1|uuid is not of version 4|uuid=$v1,data=bad
a uuid of zeros|uuid is not of version 4|uuid=00000000000000000000000000000000
a type not accepted|type not accepted|type=9,data=bad
the reserved type|type not accepted|type=0,data=bad
a size over the limit|size over the limit|size=1000001,data=bad
the greatest size|size over the limit|size=4294967295,data=bad
L

bad 'another sensor' 'uuid changed within the stream' good data=good \
    "uuid=$other,data=bad" data=never
bad 'the last bit of the uuid' 'uuid changed within the stream' good \
    data=good uuid=0f3c2a9e5b714c8d9a647e2d1b0c9f34,data=bad
bad 'another type' 'type changed within the stream' good data=good \
    type=3,data=bad data=never
bad 'a meta header in mid-stream' 'type changed within the stream' good \
    data=good type=2,data=bad
bad '254 in mid-stream' 'type changed within the stream' good data=good \
    type=254,data=bad
bad '254 first' 'type 254 without a meta header before it' '' \
    type=254,data=bad

# A size that says less than there is makes the rest a header, one that says
# more makes the next header data.
bad 'a size too small' "$hmac" good data=good data=bad,size=2 data=never
bad 'a size too large' "$hmac" good data=good data=bad,size=4 data=never
bad 'a size too large, at the end' "$short" good data=good data=bad,size=4

# ---- the stream ends within a record ------------------------------------------

for cut in 1 2 3 4 35 64; do
	bad "$cut bytes are missing" "$short" good data=good "data=bad,cut=$cut"
done
bad 'a header without payload' "$short" good data=good bytes=900000,cut=900000

# ---- in the middle of a batch ---------------------------------------------------

# Of 1000 records that arrive at once, the one at each of these places is bad.
for place in 0 1 15 16 17 499 998 999; do
	printf 'good%.0s' $(seq "$place") > want
	[ "$place" -gt 0 ] || : > want
	args=()
	[ "$place" = 0 ] || args+=("data=good,times=$place")
	args+=("data=evil,flip=63")
	[ "$place" = 999 ] || args+=("data=good,times=$((999 - place))")
	"$RECORDS" "${args[@]}" > stream
	refuses "record $((place + 1)) of 1000 has a bad payload" 1 \
	    "^d4-recv: stdin: record $((place + 1)): $hmac$" want \
	    "$RECV" -c r < stream
done
"$RECORDS" data=good,times=700 data=evil,key=x data=good,times=200 \
    type=77,data=evil,times=99 > stream
printf 'good%.0s' $(seq 700) > want
refuses 'the first fault of several counts' 1 "record 701: $hmac$" want \
    "$RECV" -c r < stream

# Each byte of a record in mid-stream, changed, is refused.
"$RECORDS" data=good > first
taken=''
for ((at = 0; at < 62 + 11; at++)); do
	"$RECORDS" "data=hello world,flip=$at" data=never | cat first - > stream
	run "$RECV" -c r < stream
	if [ "$status" != 1 ] || [ "$(cat out)" != good ] ||
	    [ "$(lines err)" != 1 ]; then
		taken="$taken $at"
	fi
done
is "$taken" '' 'no changed byte of a record is taken'

# Bytes that never were a record.
noise 100000 > stream
run "$RECV" -c r < stream
is "$status $(wc -c < out) $(lines err)" '1 0 1' 'noise is refused'
head -c 100000 /dev/zero > stream
refuses 'so are zeros' 1 'record 1: uuid is not of version 4$' '' \
    "$RECV" -c r < stream
printf 'GET / HTTP/1.1\r\n\r\n' > stream
refuses 'and a word from another protocol' 1 "record 1: $short$" '' \
    "$RECV" -c r < stream

# -v tells of the session also when it ends badly.
"$RECORDS" type=3,data=good type=3,data=evil,key=x > stream
run "$RECV" -v -c r < stream
is "$(said)" "d4-recv: stdin: record 2: $hmac
d4-recv: stdin: uuid $UUID, type 3 (log), 1 records, 4 bytes" \
    '-v: a line on the session'

done_testing
