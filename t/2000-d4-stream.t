#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What d4 writes, read by a decoder that shares nothing with it, and the ends
# that it reads from and writes to.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

hex=$(echo "$UUID" | tr -d -)

conf c
begin=$(date +%s)
run "$D4" -c c < /dev/null
end=$(date +%s)
is "$status" 0 'an empty input'
is "$(wc -c < out)" 62 'is one record'
"$RECORDS" -d < out > records
like "$(cat records)" \
    "^version 1 type 1 uuid $hex time [0-9]+ size 0 hmac good$" \
    'of size 0: the closing record'
time=$(sed 's/.* time \([0-9]*\) .*/\1/' records)
ok 'its time is now' test "$time" -ge "$begin" -a "$time" -le "$end"

conf c version=7 type=200 snaplen=300 key='  another  key  ' \
    uuid="{${UUID^^}}"
noise 1000 > input
run "$D4" -c c < input
"$RECORDS" -d '  another  key  ' < out | sed 's/ time [0-9]*//' > records
want="version 7 type 200 uuid $hex size"
is "$(cat records)" "$want 300 hmac good
$want 300 hmac good
$want 300 hmac good
$want 100 hmac good
$want 0 hmac good" 'every value of the configuration is in the records'
is "$("$RECORDS" -d 'another key' < out | grep -c bad)" 5 \
    'and the key is that one alone'
is "$(wc -c < err)" 0 'nothing is said'

run "$D4" -v -c c < input
is "$(said)" 'd4: stdout: 5 records, 1000 bytes' '-v says what was done'
run "$D4" -vv -c c < input
like "$(cat err)" '^d4: HMAC by [A-Za-z].*' '-vv says how'

# ---- a path as source and destination -------------------------------------

conf c source="$TMP/input" destination="$TMP/sealed"
run "$D4" -c c < /dev/null
is "$status" 0 'from a file into a file'
is "$(wc -c < out)" 0 'nothing on stdout'
cp sealed first
run "$D4" -c c < /dev/null
is "$(wc -c < sealed)" $((2 * $(wc -c < first))) \
    'the next run appends'
ok 'and leaves what was there' begins sealed first
is "$("$RECORDS" -d < sealed | grep -c good)" 4 'all of it records'
conf_recv r
run "$RECV" -c r < sealed
ok 'which give the input twice' cmp out <(cat input input)

mkfifo fifo
conf c source="$TMP/fifo"
"$D4" -c c > out 2> err &
started
cat input > fifo
ok 'from a FIFO' within 10 has_bytes out 1062
kill -s TERM "$pid" 2> /dev/null
finish "$pid"
is "$status" 0 'to the end'
is "$("$RECORDS" -d < out | grep -c good)" 2 'the records'

conf c destination="$TMP/fifo"
"$D4" -c c < input 2> err &
started
cat fifo > out
finish "$pid"
is "$status" 0 'into a FIFO'
is "$("$RECORDS" -d < out | grep -c good)" 2 'the records'

conf c source="$TMP/none"
refuses 'a source that is not there' 2 "^d4: $TMP/none: No such file" '' \
    "$D4" -c c
conf c destination="$TMP/none/file"
refuses 'a destination that cannot be' 2 "^d4: $TMP/none/file: No such" '' \
    "$D4" -c c < /dev/null
conf c destination="$TMP"
refuses 'a directory as destination' 2 "^d4: $TMP: Is a directory" '' \
    "$D4" -c c < /dev/null
conf c source="$TMP"
refuses 'a directory as source' 2 "^d4: $TMP: Is a directory" '' "$D4" -c c
conf c source="folder:$TMP/fifo"
refuses 'a FIFO as folder' 2 "^d4: folder:$TMP/fifo: Not a directory" '' \
    "$D4" -c c
conf c source="folder:$TMP/none"
"$D4" -c c > out 2> err &
started
ok 'a folder that is not there is waited for, with a line' within 10 \
    grep -q "^d4: $TMP/none: waiting for it: No such file" err
kill "$pid"
finish "$pid"
is "$status" 0 'which a signal ends'

done_testing
