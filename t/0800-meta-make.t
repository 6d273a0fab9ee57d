#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-meta makes a meta header: what people type, what it takes and refuses,
# what it writes; and that d4-recv takes the same headers and no others.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

META=$TOP/d4-meta/d4-meta
JA3='{"encoding":"utf-8","tags":["tlp:white"],"type":"ja3-jl"}'

conf c
conf_recv r
printf '%s\n' "$JA3" > ja3.json

# ---- what people type -----------------------------------------------------

run "$META" -h
is "$status" 0 '-h: exit 0'
like "$(cat out)" '^usage: d4-meta ' '-h: usage on stdout'
is "$(wc -c < err)" 0 '-h: nothing on stderr'
run "$META" -V
is "$status" 0 '-V: exit 0'
like "$(cat out)" '^d4-meta [0-9]+\.[0-9]+\.[0-9]+$' '-V'

while read -r wrong; do
	# shellcheck disable=SC2086 # several words
	run "$META" $wrong < ja3.json
	is "$status" 2 "d4-meta $wrong: exit 2"
	like "$(cat err)" '^[^ ]*d4-meta: .*(
usage: d4-meta |not a number|given twice)' 'and words why'
	is "$(wc -c < out)" 0 'and nothing on stdout'
done << 'EOF'

-z
-c
ja3.json
-x -s
-n -p
-n -x
-p -L
-t a ja3.json -p
-g tlp:white -p
-o a=b ja3.json -n
-k c/key -n
-x -k c/key -c c
-G 5 -x
-s -G 0
-s -G x
-j -x
-L -c c
-m f -n
-T 5
-T 0 -c c
-T 5s -c c
-T -5 -c c
-T 99999999999999999999 -c c
-T 5 -c c ja3.json
-T 5 -c c -m f -m f
-c c ja3.json more
EOF

refuses 'no such directory' 2 '^d4-meta: nowhere: No such' '' \
    "$META" -c nowhere ja3.json
refuses 'no such file' 1 '^d4-meta: nowhere: No such' '' \
    "$META" -c c nowhere
for full in -h -V -L '-L -j' '-p ja3.json' '-n ja3.json' '-c c ja3.json'; do
	# shellcheck disable=SC2086
	"$META" $full > /dev/full 2> err
	is $? 1 "$full with stdout full: exit 1"
done
mkfifo in pipe
"$META" -c c - < in > pipe 2> err &
meta=$!
pids+=("$meta")
exec 4> in
exec 3< pipe
exec 3<&-
cat ja3.json >&4
exec 4>&-
finish "$meta"
is "$status" 1 'a reader that is gone: exit 1'
like "$(cat err)" '^d4-meta: stdout: Broken pipe$' 'and no death by SIGPIPE'

# ---- where the header comes from ------------------------------------------

run "$META" -p ja3.json
is "$status/$(cat out)" "0/$JA3" 'from a file'
run "$META" -p - < ja3.json
is "$status/$(cat out)" "0/$JA3" 'from stdin, named'
run "$META" -p < ja3.json
is "$status/$(cat out)" "0/$JA3" 'from stdin'
run "$META" -p -c c < ja3.json
is "$status/$(cat out)" "0/$JA3" 'from stdin, the configuration having none'
printf '{"type":"x"}' > c/metaheader.json
run "$META" -p -c c < ja3.json
is "$status/$(cat out)" '0/{"type":"x"}' 'from the configuration'
run "$META" -p -c c - < ja3.json
is "$status/$(cat out)" "0/$JA3" 'stdin by name goes before it'
run "$META" -p -c c ja3.json
is "$status/$(cat out)" "0/$JA3" 'and so does a file'
rm c/metaheader.json

run "$META" -p -t ja3-jl -e utf-8 -g tlp:white
is "$status/$(cat out)" "0/$JA3" 'from options'
run "$META" -p -t a -g x -g 'y "z"' -o misp:org=b=c -o compress:=true \
    -o 'n:=[1, {"a":null}]' -o e=
is "$(cat out)" '{"compress":true,"e":"","misp:org":"b=c","n":[1,{"a":null}],"tags":["x","y \"z\""],"type":"a"}' \
    'every kind of member'
while read -r words; do
	# shellcheck disable=SC2086
	refuses "-t a $words" 2 '^d4-meta: ' '' "$META" -p -t a $words
done << 'EOF'
-o type=b
-o a=1 -o a=2
-o a
-o =a
-o a:=
-o a:=b
-o a:=1,"b":2
-o a:=[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]
EOF
refuses '-t ../x' 2 'its "type" is not a name' '' "$META" -p -t ../x
refuses '-e not UTF-8' 2 '^d4-meta: -e: not UTF-8' '' \
    "$META" -p -t a -e $'\xff'

run "$META" -n ja3.json
is "$status/$(cat out)" "0/header: ja3-jl, 58 bytes" '-n checks'
run "$META" -n -c c ja3.json
is "$status/$(cat out)" "0/version: 1
uuid: $UUID
key: 21 bytes
snaplen: 4096
header: ja3-jl, 58 bytes" '-n -c shows the configuration, not the key'
rm c/uuid
run "$META" -n -c c ja3.json
like "$(cat out)" 'uuid: made on the first run' '-n makes no uuid'
ok 'none is there' test ! -e c/uuid
printf x > c/version
rm c/key
run "$META" -c c ja3.json
is "$status/$(lines err)" 2/2 'two faults of the configuration: two lines'
conf c

# ---- what it writes -------------------------------------------------------

run "$META" -c c ja3.json
is "$status" 0 'a record'
cp out header.d4
is "$("$RECORDS" -d < header.d4 | sed 's/ time [0-9]*//')" \
    "version 1 type 2 uuid ${UUID//-/} size 58 hmac good" 'of type 2, sealed'
like "$(od -An -tu8 -j18 -N8 header.d4)" "^ +$(date +%s | cut -c1-8)" \
    'with the time of now'
is "$(tail -c +63 header.d4 | sha)" "$(sha ja3.json)" 'as it stands in the file'

conf c snaplen=10
run "$META" -v -c c ja3.json
is "$("$RECORDS" -d < out | awk '{ print $4, $10, $12 }' | uniq -c |
    tr -s ' ')" " 5 2 10 good
 1 2 8 good" 'cut at snaplen'
like "$(cat err)" 'ja3-jl, 58 bytes in 6 records' '-v says so'
conf c snaplen=1
perl -e 'print q({"type":"a","b":"), "x" x 99980, q("})' > long.json
run "$META" -c c long.json
is "$status/$(wc -c < out)" "0/$((63 * $(wc -c < long.json)))" \
    'even a long one by single bytes'
conf c type=254
printf '{"a":1}\n{"a":2}\n' > data
{ "$META" -c c ja3.json; "$D4" -c c < data; } > session.d4
run "$RECV" -M got.json -c r < session.d4
is "$status/$(sha out)" "0/$(sha data)" \
    'd4-meta and d4 make one legal session for d4-recv'
ok 'whose header arrives as it was' cmp ja3.json got.json

# ---- the same check as d4-recv's ------------------------------------------

perl -e '
	my @good = (q({"type":"a"}), q( {"type":"a"} ), qq(\n{"type":"a"}\r\n),
	    q({"type":"ja3-jl","a":[{}]}), q({"type":"a","b":"\u0000"}),
	    q({"type":"a","b":) . "[" x 15 . "]" x 15 . "}",
	    q({"type":"a","b":"\ud83d\udc1d"}), q({"typ\u0065":"a"}),
	    q({"type":"a","b":1e308}), q({"type":"a","") . q(:1}),
	    q({"type":"a"}) . " " x 99988);
	my @bad = ("", " ", "7", "[]", "null", q("a"), "{}", "x",
	    "[" x 100000, "[" x 1500 . "]" x 1500, "{}" x 33000,
	    q({"type":"a","type":"a"}), q({"type":"a","typ\u0065":"a"}),
	    qq({"type":"a\0"}), q({"type":"a\u0000"}), q({"type":"../x"}),
	    qq({"type":"a","b":"\xff"}), q({"type":"a"}x), q({"type":"a"}{}),
	    q([{"type":"a"}]), q({"type":""}), q({"type":1}), q({"Type":"a"}),
	    q({"type":"A"}), q({"type":"a"), q({"type":"a",}), q({type:"a"}),
	    q({"type":"a","b":) . "[" x 16 . "]" x 16 . "}",
	    q({"type":"a","b":1e309}), q({"type":"a","b":NaN}),
	    "\xef\xbb\xbf" . q({"type":"a"}), q({"type":"a"}) . " " x 99989);
	my $i = 0;
	for (["good", @good], ["bad", @bad]) {
		my ($kind, @list) = @$_;
		for (@list) {
			open my $out, ">:raw", sprintf "%s.%02d", $kind, $i++;
			print $out $_;
		}
	}'
printf 'a\nja3-jl\n' > r/metatypes
for file in good.* bad.*; do
	head -c 60 "$file" | tr -d '\n\r' > name
	run "$META" -n "$file"
	ours=$status
	"$RECORDS" "type=2,data=@$file" > stream
	run "$RECV" -c r < stream
	[ "${file%.*}" = good ] && want=0/0 || want=1/1
	# A stream without a header is no fault of d4-recv's.
	[ -s "$file" ] || status=$ours
	is "$ours/$status" "$want" \
	    "d4-meta and d4-recv agree: $(tr '\0\377' '?' < name)"
done

# What passes in is written alike by the canonical form.
differing=0
for file in good.*; do
	"$META" -p "$file" > once && "$META" -p once > twice &&
	    cmp -s once twice || differing=$((differing + 1))
done
is "$differing" 0 'the canonical form is its own canonical form'

done_testing
