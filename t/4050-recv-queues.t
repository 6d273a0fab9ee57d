#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What becomes of finished data: rotation, compression, the hook, and items
# in the queues of analyzers.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

command -v socat > /dev/null || skip_all 'no socat here'

B=11111111-1111-4111-8111-111111111111

# The uuid of the queue of that number.
q() {
	printf '00000000-0000-4000-8000-%012d' "$1"
}

# holds type queue text: the contents of the queue's items, in order.
holds() {
	[ "$(contents "$1" "$(q "$2")")" = "$3" ]
}

# -- queues -------------------------------------------------------------------

collector compress=gz
mkdir s
reg queue "$(q 1)" 3 100
reg queue "$(q 2)" 3 2
reg queue "$(q 3)" 3 100 "$B"
reg queue "$(q 4)" 1 100
reg queue "$(q 5)" 5 100
reg queue "$(q 6)" 7 100
reg queue "$(q 7)" 8 100
reg queue "$(q 8)" fascia 100
reg queue "$(q 9)" maltrail 100
reg queue "$(q 10)" ja3-jl 100
reg queue "$(q 11)" filewatcher 100
reg queue "$(q 12)" 6 100
serve --metrics metrics

tell $'type=3,data=one\ntw' $'type=3,data=o\n\nthree\nfour'
ok 'type 3: whole lines, not an unfinished one' within 5 holds 3 1 \
    $'one\ntwo\nthree'
ok 'a full queue drops its oldest' within 5 holds 3 2 $'two\nthree'
ok 'which is counted' within 5 grep -q '^d4_recv_items_dropped_total 1$' \
    metrics
is "$(items 3 "$(q 3)" | wc -l)" 0 "a group's queue has nothing of others"
tell "type=3,uuid=${B//-/},data=of b"$'\n'
ok 'but of its sensors' within 5 holds 3 3 'of b'
ok 'as all queues have' within 5 holds 3 1 $'one\ntwo\nthree\nof b'
tell $'type=8,data=dns\n'
ok 'type 8: lines' within 5 holds 8 7 dns
tell $'type=6,data=six\n'
ok 'type 6: lines' within 5 holds 6 12 six

sensors -l -n 3 -t 1,5,7 > sent
for type in 1:4 5:5 7:6; do
	one_item() {
		[ "$(items "${type%:*}" "$(q "${type#*:}")" | wc -l)" = 1 ]
	}
	ok "type ${type%:*}: one item" within 5 one_item
	item=$(contents "${type%:*}" "$(q "${type#*:}")")
	like "$item" "^$TMP/s/[0-9a-f]{32}/${type%:*}/.*\.gz$" \
	    'an absolute path of a compressed file'
	ok 'that is there' test -s "$item"
done

meta() {
	printf 'type=2,data={"type":"%s"}' "$1"
}
tell "$(meta fascia)" $'type=254,data=like a line\n'
ok 'an extended type: lines' within 5 holds fascia 8 'like a line'
tell "$(meta maltrail)" $'type=254,data=trail\n'
ok 'maltrail: lines' within 5 holds maltrail 9 trail
is "$(find s -name '*.txt*' -path '*/maltrail/*' | wc -l)" 0 \
    'and no file of them'
printf '{"Timestamp":"2024-02-29T00:00:00Z","Certificates":null}\n' > ja3
tell "$(meta ja3-jl)" type=254,data=@ja3
ok 'ja3-jl: a path' within 5 holds ja3-jl 10 \
    "$TMP/s/datas/ja3-jl/jsons/2024-02-29T00:00:00Z.json"
tell "$(meta filewatcher)" $'type=254,data=aGVsbG8=\n'
file_is() {
	[ "$(cat "$(contents filewatcher "$(q 11)")" 2> /dev/null)" = hello ]
}
ok 'filewatcher: the path of what was sent' within 5 file_is

# A queue that comes while a sensor is there.
exec 3<> "/dev/tcp/127.0.0.1/$port"
"$RECORDS" $'type=3,data=before\n' >&3
ok 'a line' within 5 eval 'contents 3 $(q 1) | grep -q before'
reg queue "$(q 13)" 3 100
sleep 1.1
"$RECORDS" $'type=3,data=after\n' >&3
ok 'a new queue has what comes from then on' within 5 holds 3 13 after

# One that is broken harms no other, and is used again once it is mended.
mv "s/queues/3/$(q 13)/new" away
: > "s/queues/3/$(q 13)/new"
rm -r away
: > log
"$RECORDS" $'type=3,data=missed\n' >&3
ok 'a queue is broken' within 5 said "$(q 13)"
sleep 2.2
is "$(contents 3 "$(q 1)" | grep -c missed)" 1 'others have an item once'
rm "s/queues/3/$(q 13)/new"
"$RECORDS" $'type=3,data=mended\n' >&3
ok 'mended' within 5 holds 3 13 mended
exec 3>&-
stop
is "$status" 0 'exit 0'
is "$(reg counts "$B")" '3 1 5' 'records and bytes of a sensor are counted'
like "$(reg facts "$UUID")" 'type: 254 ja3-jl' 'and when it was seen as what'

# -- rotation and compression -------------------------------------------------

collector compress=zst rotate=2 hook="$TMP/hook"
kind=zst unzip='zstd -qdc'
if ! command -v zstd > /dev/null || ! "$RECV" -n -c r > /dev/null 2>&1; then
	kind=gz unzip=zcat
	echo gz > r/compress
fi
cat > hook <<H
#!/bin/sh
echo "\$1" >> "$TMP/hooked"
H
chmod +x hook
serve
exec 3<> "/dev/tcp/127.0.0.1/$port"
printf '\324\303\262\241\002\000\004\000%8s\377\377\000\000\001\000\000\000' \
    '' > head.cap
packet() {
	printf '\1\0\0\0\0\0\0\0\4\0\0\0\4\0\0\0%s' "$1"
}
packet one > 1.cap
printf '1' >> 1.cap
packet two > 2.cap
printf '2' >> 2.cap
"$RECORDS" type=1,data=@head.cap type=1,data=@1.cap >&3
rotated() {
	[ "$(files | wc -l)" = "$1" ]
}
ok 'rotate: a file is finished while its sensor goes on' within 6 rotated 1
"$RECORDS" type=1,data=@2.cap >&3
exec 3>&-
ok 'the next with the rest' within 6 rotated 2
i=0
for file in $(files); do
	i=$((i + 1))
	like "$file" "\.cap\.$kind\$" 'compressed as wanted'
	$unzip "$file" 2> /dev/null | cmp -s - <(cat head.cap $i.cap)
	is "${PIPESTATUS[1]}" 0 'a whole capture by itself'
done
ok 'the hook has been run for both' within 5 has_bytes hooked 10
files_hooked() {
	[ "$(sort hooked)" = "$(files | sed "s#^#$TMP/#")" ]
}
ok 'with their paths' within 5 files_hooked
stop
is "$status" 0 'exit 0'

# -- a hook that never ends ---------------------------------------------------

collector rotate=1 rotate_size=1 hook="$TMP/hang"
printf '#!/bin/sh\necho $$ >> %s\nexec sleep 600\n' "$TMP/hung" > hang
chmod +x hang
serve --metrics metrics
seq 1000 1699 > lines
split -l 1 -a 3 lines l.
# shellcheck disable=SC2046 # words
"$RECORDS" $(printf 'type=3,data=@%s ' l.???) > session
socat -u OPEN:session,ignoreeof "TCP:127.0.0.1:$port" &
started
sending=$pid
ok 'a hook that never ends: it is said what the sensors wait for' within 20 \
    said "^d4-recv: $TMP/hang: many files wait for it, and so do sensors$"
ok 'four are run at a time' test "$(lines hung)" = 4
stop
is "$status" 0 'SIGTERM: exit 0'
ok 'it is said which were not run' said \
    "^d4-recv: $TMP/hang: not run for [0-9]+ files, $TMP/s/.* and later ones$"
like "$(sed -n 's/^d4_recv_hook_failures_total //p' metrics)" '^[1-9]' \
    'and counted'
records=$(sed -n 's/^d4_recv_records_total //p' metrics)
# shellcheck disable=SC2046 # numbers
kill "$sending" $(cat hung)
rm r/hook
serve
ok 'the next start has nothing to wait for' within 20 all_finished
# shellcheck disable=SC2046 # names
is "$(sort $(files) | sha)" "$(head -n "$records" lines | sha)" \
    'nothing was lost that had verified'
stop

done_testing
