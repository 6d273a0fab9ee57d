#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-meta -T tells a collector, at intervals, that and how a sensor lives.

# Perl has its variables in single quotes; some functions are called by others.
# shellcheck disable=SC2016,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

META=$TOP/d4-meta/d4-meta
conf c spool="$TMP/spool"
conf_recv r
mkdir spool

# json expression: what it gives for the JSON lines of the file, as @l.
json() {
	perl -MJSON::PP -e '
		my $code = shift;
		my @l = map { JSON::PP->new->utf8->decode($_) } <STDIN>;
		my $got = eval $code;
		die $@ if $@;
		print $got;' "$1" < "$2"
}

# gather n cmd...: runs telemetry until the collector has n lines, then ends
# it; its exit status is in $status.
gather() {
	local n=$1
	shift
	rm -f pipe lines
	mkfifo pipe
	"$RECV" -M header.json -c r < pipe > lines 2> recv.err &
	recv=$!
	pids+=("$recv")
	"$@" > pipe 2> err &
	meta=$!
	pids+=("$meta")
	within 20 has_lines lines "$n"
	kill -TERM "$meta"
	finish "$meta"
}

has_lines() {
	[ "$(lines "$1")" -ge "$2" ]
}

run "$META" -n -T 5 -c c -g tlp:white
is "$status" 0 '-n: exit 0'
like "$(cat out)" "spool: $TMP/spool
header: d4-telemetry, [0-9]+ bytes" '-n shows what it would do'

cat > one.prom << 'EOF'
# HELP d4_records_total Records written.
# TYPE d4_records_total counter
d4_records_total{destination="collector:4443"} 1234
d4_link_up 1
EOF
before=$(date +%s)
gather 3 "$META" -T 1 -c c -e utf-8 -g tlp:white -o site=lab -m one.prom \
    -m two.prom
is "$status" 0 'SIGTERM: exit 0'
is "$(cat err)" 'd4-meta: two.prom: No such file or directory' \
    'a file that is missing is said once'
finish "$recv"
is "$status/$(cat recv.err)" 0/ 'd4-recv took all of it'
is "$(json 'join " ", map { "$_=$l[0]{$_}" } sort keys %{$l[0]}' header.json |
    sed 's/ARRAY[^ ]*/list/')" \
    'encoding=utf-8 interval=1 site=lab tags=list type=d4-telemetry' \
    'the header'
is "$(json 'join " ", sort keys %{$l[0]}' lines)" \
    'clock d4 host load memory spool time uptime uuid version' \
    'what a line tells'
is "$(json 'scalar grep { $_->{uuid} eq "'"$UUID"'" && $_->{host} ne "" &&
    $_->{version} =~ /^\d/ && $_->{uptime} > 0 && @{$_->{load}} == 3 } @l' \
    lines)" "$(lines lines)" 'who it is'
ok 'the time is that of now' test "$(json '$l[0]{time}' lines)" -ge "$before"
is "$(json 'my $bad = 0; for (1 .. $#l) { my $d = $l[$_]{time} -
    $l[$_ - 1]{time}; $bad++ if $d < 0 || $d > 2 } $bad' lines)" 0 \
    'a line a second'
is "$(json '$l[0]{memory}{total} >= $l[0]{memory}{available} &&
    $l[0]{memory}{available} > 0 ? "yes" : "no"' lines)" yes 'memory'
is "$(json '$l[0]{spool}{total} > 0 ? $l[0]{spool}{path} : "no"' lines)" \
    "$TMP/spool" 'disk of the spool'
is "$(json 'my $c = $l[0]{clock}; !defined $c || join " ", sort keys %$c' \
    lines | sed 's/^1$/error_max_us error_us offset_ns synchronized/')" \
    'error_max_us error_us offset_ns synchronized' 'the state of the clock'
is "$(json 'my $m = $l[0]{d4}{"one.prom"}; join " ", $m->{time} > 0,
    map { "$_=$m->{metrics}{$_}" } sort keys %{$m->{metrics}}' lines)" \
    '1 d4_link_up=1 d4_records_total{destination="collector:4443"}=1234' \
    'figures of a d4'
is "$(json '$l[0]{d4}{"two.prom"}{error}' lines)" \
    'No such file or directory' 'and why there are none'

# Each line is on its way when it is written, the end is a record of size 0.
"$META" -T 3600 -c c > stream 2> err &
meta=$!
pids+=("$meta")
ok 'the first line comes at once' within 5 has_bytes stream 300
kill -USR1 "$meta"
ok 'SIGUSR1: figures' within 5 grep -q 'stdout: 2 records' err
kill -INT "$meta"
finish "$meta"
is "$status/$("$RECORDS" -d < stream | awk '{ print $4, ($10 > 0), $12 }' |
    tr '\n' ' ')" '0/2 1 good 254 1 good 254 0 good ' \
    'header, line, end; SIGINT: exit 0'

# Lines longer than snaplen.
conf c snaplen=7
rm -f spool/x
gather 1 "$META" -T 1 -c c
finish "$recv"
is "$(json 'scalar(@l) >= 1 && $l[0]{uuid}' lines)" "$UUID" \
    'a small snaplen cuts lines into records'
is "$(json '$l[0]{spool} // "null"' lines)" null 'no spool, nothing of it'

# A file of figures that is none.
conf c
mkfifo hang
printf 'a 1\na 2\n' > twice
head -c 20000 /dev/zero | tr '\0' '\n' > long
gather 1 "$META" -T 1 -c c -m hang -m twice -m long -m .
is "$(json 'join ", ", map { $l[0]{d4}{$_}{error} } qw(hang twice long .)' \
    lines)" 'not a regular file, a figure is there twice, or there are too many, too long, not a regular file' \
    'files that hold no figures'
finish "$recv"

# As many as the line holds.
args=()
for i in $(seq 1 12); do
	perl -e 'print "figure_of_some_length_$_ $_\n" for 1 .. 550' > "f$i"
	args+=(-m "f$i")
done
gather 1 "$META" -T 1 -c c "${args[@]}"
finish "$recv"
len=$(head -1 lines | wc -c)
ok 'a line is filled' test "$len" -ge 80000
ok 'and stays within 100,000 bytes' test "$len" -le 100000
like "$(json 'join ",", map { $l[0]{d4}{"f$_"}{error} // "" } 1 .. 12' lines)" \
    '^,+no room left in the line' 'and says what had no room'

# Also when the names alone are long.
args=()
for i in $(seq 1 32); do
	args+=(-m "$(printf '%0253d%02d' 0 "$i" | tr 0 '\001')")
done
gather 1 "$META" -T 1 -c c "${args[@]}" -v
finish "$recv"
len=$(head -1 lines | wc -c)
ok '32 long names, all escapes' test "$len" -ge 48000
ok 'stay within 100,000 bytes' test "$len" -le 100000
run "$META" -n -T 1 -c c "${args[@]}" -m one
is "$status/$(cat err)" '2/d4-meta: -m: given more than 32 times' \
    'a 33rd file is refused'
refuses 'and a longer name' 2 'longer than 255 bytes' '' \
    "$META" -n -T 1 -c c -m "$(printf '%0256d' 0)"

# Nobody reads any more.
rm -f pipe
mkfifo pipe
"$META" -T 3600 -c c > pipe 2> err &
meta=$!
pids+=("$meta")
head -c 100 < pipe > /dev/null
finish "$meta"
is "$status" 1 'a reader that is gone: exit 1, not an hour later'
like "$(cat err)" '^d4-meta: stdout: (nobody reads it any more|Broken pipe)$' \
    'and said'
"$META" -T 1 -c c > /dev/full 2> err
is "$?/$(cat err)" '1/d4-meta: stdout: No space left on device' 'a full disk'

done_testing
