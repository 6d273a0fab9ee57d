#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What has been read is sent at once when nothing more is waiting, with the
# pipe left open; when much is waiting, payloads are full.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf c type=3 snaplen=4096
conf_recv r

# Twenty lines, each only after the last came out.  A second is a hundred
# times what it takes, and far less than for ever.
cat > echo.pl <<'P'
use IPC::Open2;
use Time::HiRes 'time';
my $pid = open2(my $from, my $to, @ARGV);
my ($worst, $n) = (0, 0);
$SIG{ALRM} = sub { print "none after line $n\n"; kill 9, $pid; exit 1 };
for (1 .. 20) {
	my $line = "line $_ " . 'x' x $_ . "\n";
	my $begin = time;
	syswrite $to, $line;
	alarm 10 * $ENV{SLOW};
	my $got = '';
	sysread $from, $got, 4096, length $got or exit 1
	    while length $got < length $line;
	alarm 0;
	$got eq $line or print("other bytes\n"), exit 1;
	$worst = time - $begin if time - $begin > $worst;
	$n++;
}
close $to;
waitpid $pid, 0;
printf "%d lines, %.1f ms at worst, exit %d\n", $n, 1000 * $worst, $? >> 8;
exit($? != 0 || $ENV{SLOW} == 1 && $worst > 1);
P
ok 'a line goes through d4 | d4-recv while the pipe is open' \
    perl echo.pl sh -c "exec '$D4' -c c | '$RECV' -c r"
echo "# $(cat check)"

# The records on the way: one line, one record.
mkfifo lines.in
"$D4" -c c < lines.in > sealed 2> err &
started
exec 3> lines.in
for n in 1 2 3; do
	echo "line $n" >&3
	ok "line $n is sealed at once" within 10 has_bytes sealed \
	    $((n * (62 + 7)))
done
exec 3>&-
finish "$pid"
is "$status" 0 'd4 ends when its input does'
is "$("$RECORDS" -d < sealed | cut -d ' ' -f 9-)" 'size 7 hmac good
size 7 hmac good
size 7 hmac good
size 0 hmac good' 'a record a line, and the closing record'

# A record goes out whole: each read of a reader that waits is whole records,
# and each line is waited for, which a reader tells by a character.
cat > reads.pl <<'P'
$| = 1;
while (sysread STDIN, my $got, 1 << 20) {
	my $at = 0;
	$at += 62 + unpack 'V', substr $got, $at + 58, 4
	    while $at + 62 <= length $got;
	print $at == length $got ? '.' : '!';
}
P
: > reads
# shellcheck disable=SC2094 # one looks while the other writes
for n in 1 2 3 4 5 6 7 8 9 10; do
	echo "line $n"
	within 10 has_bytes reads "$n"
done | "$D4" -c c | perl reads.pl > reads
like "$(cat reads)" '^\.{10,11}$' 'a reader never meets half a header'

done_testing
