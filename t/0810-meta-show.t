#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-meta shows a stream record by record, sums it up and lists the types; it
# goes on past bad HMACs and says where a stream is broken.

# Perl has its variables in single quotes.
# shellcheck disable=SC2016

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

META=$TOP/d4-meta/d4-meta
printf '%s\n' "$KEY" > key
chmod 600 key
HEADER='{"type":"ja3-jl"}'

# json expression: what it gives for the JSON lines of out, as @l.
json() {
	perl -MJSON::PP -e '
		my $code = shift;
		my @l = map { JSON::PP->new->utf8->decode($_) } <STDIN>;
		my $got = eval $code;
		die $@ if $@;
		print $got;' "$1" < out
}

# ---- each record ----------------------------------------------------------

"$RECORDS" type=1,data=abc type=1 > two.d4
run "$META" -x < two.d4
is "$status/$(cat out)" "0/{\"offset\":0,\"session\":1,\"version\":1,\"type\":1,\"name\":\"pcap\",\"uuid\":\"$UUID\",\"time\":1795220274,\"size\":3,\"hmac\":\"unchecked\"}
{\"offset\":65,\"session\":1,\"version\":1,\"type\":1,\"name\":\"pcap\",\"uuid\":\"$UUID\",\"time\":1795220274,\"size\":0,\"hmac\":\"unchecked\"}" \
    'a line for each record'
for verify in '-k key' "-k $TMP/key" "-c ."; do
	# shellcheck disable=SC2086
	run "$META" -x $verify < two.d4
	is "$status/$(json 'join " ", map { $_->{hmac} } @l')" '0/good good' \
	    "-x $verify: good"
done
refuses 'a key that is not there' 2 '^d4-meta: \./none: missing' '' \
    "$META" -x -k none
: > empty
refuses 'an empty key' 2 '^d4-meta: \./empty: ' '' "$META" -x -k empty
run "$META" -x -k key < /dev/null
is "$status/$(wc -c < out)" 0/0 'an empty stream: nothing'
run "$META" -x < "$TOP"
is "$status" 1 'what cannot be read: exit 1'

"$RECORDS" "type=2,data=$HEADER" type=254,data=x \
    'type=2,data={"type":' 'type=2,data="a"}' type=254 \
    'type=2,data={"type":"a"' type=254 type=254 \
    type=1 type=254 uuid=00000000000000000000000000000000 \
    'type=2,data=[]' 'type=2,data={' > many.d4
run "$META" -x < many.d4
is "$status" 0 'sessions with faults are shown'
is "$(json 'join " ", map { $_->{session} // "-" } @l')" \
    '1 1 2 2 2 3 3 3 4 5 6 7 7' 'the sessions'
is "$(json 'join " ", map { $_->{metatype} // "-" } @l')" \
    '- ja3-jl - - a - - - - - - - -' 'the metatypes'
is "$(json 'join " ", map { $_->{meta} ? $_->{meta}{type} : "-" } @l')" \
    'ja3-jl - - a - - - - - - - - -' 'the headers'
is "$(json 'join "\n", map { $_->{fault} // "-" } @l[0..11]')" '-
-
-
-
-
-
meta header not acceptable: it is not JSON
-
-
type 254 without a meta header before it
uuid is not of version 4
meta header not acceptable: it is not an object' 'and what is wrong with each'

"$RECORDS" "type=2,data=$HEADER" 'type=2,data= x' > tail.d4
run "$META" -x < tail.d4
is "$(json '$l[1]{fault}')" 'meta header not acceptable: bytes follow the object' \
    'bytes behind the header, in a record of their own'
"$RECORDS" "type=2,data={" > open.d4
run "$META" -x < open.d4
is "$(json '"$l[1]{offset} $l[1]{fault}"')" \
    '63 meta header not acceptable: it is not JSON' \
    'a header that never ends'
noise 1000 > payload
"$RECORDS" type=2,data=@payload > hostile.d4
run "$META" -x < hostile.d4
is "$(json 'scalar @l')" 1 'a payload of noise is no harm to the line'

# ---- bad HMACs and broken streams -----------------------------------------

"$RECORDS" type=1,data=abc type=1,data=abc,flip=63 type=1,data=abc > bad.d4
run "$META" -x -k key < bad.d4
is "$status/$(json 'join " ", map { $_->{hmac} } @l')" '1/good bad good' \
    'it goes on past a bad HMAC, exit 1'
is "$(cat err)" 'd4-meta: stdin: 1 records with a bad HMAC, the first at offset 65' \
    'and says where it was'
"$RECORDS" type=1,bytes=5000,times=3000 type=1,flip=30 type=1,bytes=9,times=3000 \
    > long.d4
run "$META" -x -k key < long.d4
is "$(json 'join ",", map { $_->{offset} } grep { $_->{hmac} ne "good" } @l')" \
    "$((3000 * 5062))" 'one among six thousand'
is "$(json 'my ($at, $bad) = (0, 0); for (@l) { $bad++ if $_->{offset} != $at;
    $at += 62 + $_->{size} } "$bad $at"')" "0 $(wc -c < long.d4)" \
    'every offset is right'

for cut in 1 3 61 64; do
	"$RECORDS" type=1,data=abc "type=1,data=abc,cut=$cut" > cut.d4
	run "$META" -x -k key < cut.d4
	is "$status/$(cat err)" \
	    '1/d4-meta: stdin: offset 65: stream ends within a record' \
	    "a stream cut by $cut"
	is "$(json '"$l[0]{hmac} $l[1]{offset} $l[1]{fault}"')" \
	    'good 65 stream ends within a record' 'a line says it too'
done
"$RECORDS" type=1,data=abc type=1,size=1000001 > large.d4
run "$META" -x -k key < large.d4
is "$status/$(cat err)" '1/d4-meta: stdin: offset 65: size over the limit' \
    'a size over the limit'
is "$(json '$l[1]{fault}')" 'size over the limit' 'a line says it too'
"$RECORDS" type=1,bytes=1000000 > largest.d4
run "$META" -x -k key < largest.d4
is "$status" 0 'a size at the limit'
"$META" -x < two.d4 > /dev/full 2> err
is $? 1 'stdout full: exit 1'
"$META" -s < two.d4 > /dev/full 2> err
is $? 1 'and with -s'

# ---- while it runs --------------------------------------------------------

mkfifo live
"$META" -x -k key < live > shown 2> err &
meta=$!
pids+=("$meta")
exec 3> live
cat two.d4 >&3
head -c 20 two.d4 >&3
ok 'what has come is shown at once' within 5 has_bytes shown 290
kill -USR1 "$meta"
ok 'figures for SIGUSR1' within 5 grep -q '2 records, 127 bytes, 0 with' err
kill -TERM "$meta"
finish "$meta"
is "$status/$(lines shown)/$(lines err)" 0/2/1 'SIGTERM: exit 0, nothing broken'
exec 3>&-
"$META" -s -j < live > shown 2> err &
meta=$!
pids+=("$meta")
exec 3> live
cat long.d4 >&3		# more than a pipe holds: it has been read from
kill -INT "$meta"
finish "$meta"
exec 3>&-
is "$status" 0 'SIGINT: exit 0'
like "$(tail -1 shown)" '"row":"total",.*"records":[1-9][0-9]*,' 'with the summary so far'

# ---- the summary ----------------------------------------------------------

"$RECORDS" type=1,time=1000,bytes=100 type=1,time=1010,bytes=100 \
    type=1,time=1100,bytes=50 type=1,time=1040 \
    type=1,time=5,bytes=7,flip=65 \
    "type=2,time=1100,data=$HEADER" type=254,time=1200,data=abc \
    uuid=210593d4b87b48f39c05cc208dae5c73,type=3,time=1300,data=log > sum.d4
run "$META" -s -j -k key < sum.d4
is "$status/$(lines out)" 1/5 'a line for each row and the total'
is "$(json 'join " ", map { "$_->{row}:" . ($_->{type} // "-") } @l')" \
    'stream:1 stream:2 stream:254 stream:3 total:-' 'in order'
is "$(json 'join " ", map { "$_=$l[0]{$_}" } qw(uuid name sessions records bytes
    first last records_per_second bytes_per_second gaps longest_gap backward
    longest_backward bad)')" \
    "uuid=$UUID name=pcap sessions=1 records=4 bytes=250 first=1000 last=1100 records_per_second=0.04 bytes_per_second=2.5 gaps=1 longest_gap=90 backward=1 longest_backward=60 bad=1" \
    'a row'
is "$(json '"$l[2]{metatype} $l[2]{sessions} " . ($l[2]{bytes_per_second} // "null")')" \
    'ja3-jl 1 null' 'of an extended type'
is "$(json 'my $t = $l[4]; join " ", (map { "$_=$t->{$_}" } qw(uuids sessions
    records bytes first last gaps backward bad hmac uncounted)), "@{$t->{types}}",
    $t->{broken} // "null"')" \
    'uuids=2 sessions=3 records=7 bytes=273 first=1000 last=1300 gaps=1 backward=1 bad=1 hmac=checked uncounted=0 1 2 3 254 null' \
    'the total'
run "$META" -s -j -G 100 -k key < sum.d4
is "$(json '$l[4]{gaps}')" 0 '-G sets what a gap is'
run "$META" -s -j < sum.d4
is "$status/$(json '"$l[4]{records} $l[4]{bad} $l[4]{hmac}"')" \
    '0/8 0 unchecked' 'without a key nothing is bad'
run "$META" -s -j < large.d4
is "$status/$(json '"$l[1]{broken}{offset} $l[1]{broken}{fault}"')" \
    '1/65 size over the limit' 'where it is broken'
run "$META" -s < large.d4
like "$(tail -1 out)" '^broken: offset 65: size over the limit$' \
    'and in the table'
run "$META" -s -k key < sum.d4
like "$(sed -n 2p out)" \
    "^$UUID +1 pcap +1 +4 +250 +1970-01-01T00:16:40Z +1970-01-01T00:18:20Z +0\.0 +2\.5 +1 +1 +1$" \
    'a row of the table'
like "$(sed -n 6p out)" '^total: 2 uuids +4 types +3 +7 +273 ' 'its total'
like "$(tail -3 out)" 'longest gap: 90 s
longest step backward: 60 s
hmac: checked' 'what follows it'
run "$META" -s < /dev/null
is "$status/$(lines out)" 0/3 'an empty stream'
"$RECORDS" type=9,time=18446744073709551615 type=9,time=0 > times.d4
run "$META" -s -j < times.d4
is "$status/$(json '"$l[0]{first} $l[0]{last} $l[0]{longest_backward} $l[0]{name}"')" \
    '0/0 18446744073709551615 18446744073709551615 unknown' 'any timestamp'

# ---- the types ------------------------------------------------------------

run "$META" -L
is "$status/$(awk 'NR > 1 { printf "%s:%s ", $1, $2 }' out)" \
    '0/0:reserved 1:pcap 2:meta 3:log 4:dnscap 5:pcapng 6:ndjson 7:yaf 8:passivedns 254:extended 254:d4-telemetry 254:fascia 254:filewatcher 254:filewatcherjson 254:ja3-jl 254:maltrail ' \
    'the types, for people'
run "$META" -L -j
is "$status/$(json 'join " ", map { $_->{type} . ":" . ($_->{metatype} //
    $_->{name}) } grep { length $_->{description} } @l')" \
    '0/0:reserved 1:pcap 2:meta 3:log 4:dnscap 5:pcapng 6:ndjson 7:yaf 8:passivedns 254:extended 254:d4-telemetry 254:fascia 254:filewatcher 254:filewatcherjson 254:ja3-jl 254:maltrail' \
    'and for machines'

# ---- large streams --------------------------------------------------------

if [ -n "$SANITIZE" ]; then
	skip 1 'a sanitizer takes its own memory'
else
	for i in 1 2 3 4 5 6 7 8; do
		cat long.d4
	done | (
		ulimit -v 100000
		"$META" -s -j -k key > out 2> err
	)
	is "$(json '$l[-1]{records}')" "$((8 * 6000))" \
	    'a long stream in bounded memory'
fi

# ---- the vectors ----------------------------------------------------------

if [ ! -r "$SHARED/vectors/vectors.json" ]; then
	skip 2 'no vectors here'
	done_testing
fi
# Each stream is made again from what -x prints of it, the payloads and the
# key: it must be the same to the byte.
cat > again.pl << 'EOF'
use strict;
use warnings;
use Digest::SHA 'hmac_sha256';
use JSON::PP;
my ($dir, $meta) = @ARGV;
sub slurp { open my $f, '<:raw', $_[0] or die "$_[0]: $!"; local $/; <$f> // '' }
my ($good, $metas) = (0, 0);
for my $v (@{decode_json(slurp("$dir/vectors.json"))}) {
	my $file = "$dir/$v->{output}";
	my $key = pack 'H*', $v->{hmac_key_hex};
	# An empty key is none of ours: such streams are shown unchecked.
	my $want = length $key ? 'good' : 'unchecked';
	open my $k, '>:raw', 'vkey' or die;
	print $k $key, "\r\n";
	close $k;
	chmod 0600, 'vkey';
	my @line = map { decode_json($_) }
	    `$meta -x @{[length $key ? '-k vkey' : '']} < $file`;
	my ($ok, $old, $new) = ($? == 0, slurp($file), '');
	for (@line) {
		my $head = pack 'CCH32Q<x32V', @$_{qw(version type)},
		    $_->{uuid} =~ tr/-//dr, @$_{qw(time size)};
		my $data = substr $old, length($new) + 62, $_->{size};
		$ok &&= $_->{offset} == length $new && $_->{hmac} eq $want;
		substr($head, 26, 32) = hmac_sha256($head . $data, $key);
		$new .= $head . $data;
		$metas++ if $_->{meta} && $_->{meta}{type} eq 'ja3-jl';
	}
	my @listed = map { join ',', @$_ } @{$v->{packets}};
	my @shown = map { join ',', @$_{qw(version type)},
	    $_->{uuid} =~ tr/-//dr, @$_{qw(time size)} } @line;
	$ok &&= $new eq $old && "@listed" eq "@shown";
	print STDERR "$v->{name}\n" unless $ok;
	$good += $ok;
}
print "$good $metas";
EOF
run perl again.pl "$SHARED/vectors" "$META"
is "$(cat out)" '46 6' 'all vectors round-trip, six with a meta header'

# The header that d4-goclient sent, made again from its configuration.
cat > conf.pl << 'EOF'
use JSON::PP;
local $/;
for my $v (@{decode_json(<STDIN>)}) {
	next unless $v->{conf}{'metaheader.json'} && $v->{program} =~ /goclient/;
	mkdir $v->{name} or die;
	for (keys %{$v->{conf}}) {
		open my $f, '>:raw', "$v->{name}/$_" or die;
		print $f $v->{conf}{$_};
	}
	print "$v->{name} $v->{output}\n";
}
EOF
perl conf.pl < "$SHARED/vectors/vectors.json" > names
while read -r name file; do
	run "$META" -c "$name"
	"$RECORDS" -d < out | sed 's/ time [0-9]*//' > ours
	"$RECORDS" -d < "$SHARED/vectors/$file" | sed 's/ time [0-9]*//' |
	    grep 'type 2 ' > theirs
	is "$status/$(cat ours)" "0/$(cat theirs)" "$name: the same records"
done < names
is "$(wc -l < names)" 5 'of every meta session of d4-goclient'

done_testing
