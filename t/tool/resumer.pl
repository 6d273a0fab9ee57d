#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A sensor that resumes, by the rules of d4-resume(7), for tests; nothing of
# the library is in use.
#
#	resumer.pl PORT[,PORT...] FILE [name=value...]
#
# Sends the file as one stream over TCP on loopback and goes on until its end
# is answered, however often the link is cut, by itself or by others; each
# session goes to the next port, or the one after if nobody is there.  Then a
# line: sessions, records, bytes sent again.
#
#	type		1, 5, 7, else lines for 3, 6, 8, 254, else any bytes
#	uuid key time	of all records, the hello's second
#	meta		type 254: the meta header
#	size		of a record's payload, at most
#	rate		records of one second
#	window		bytes that are sent again, about
#	cuts		so often it cuts the link by itself
#	every		after so many bytes at most
#	how		rst fin half hole: how it cuts; any: one of them each time
#	seed		of the random numbers
#	slow		ms to rest after each 64 KiB
#	noanswer	1: at the end of the first complete session go without
#			waiting for the answer, and come back
#	noclose		1: end without the closing record, and don't come back
#	give_up		seconds
#
# SIGUSR1: cut the link now.

use strict;
use warnings;
use Digest::SHA 'hmac_sha256';
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SO_SNDBUF);
use Time::HiRes qw(sleep time);

my ($port, $file, @pairs) = @ARGV;
my %o = (type => 3, uuid => '0f3c2a9e5b714c8d9a647e2d1b0c9f35',
    key => 'a key for these tests', time => time, meta => '{"type":"fascia"}',
    size => 4096, rate => 500, window => 3 << 20, cuts => 0,
    every => 4 << 20, how => 'any', seed => 1, slow => 0, noanswer => 0,
    noclose => 0, give_up => 120, map { split /=/, $_, 2 } @pairs);
my @ports = split /,/, $port;
my $TIOCOUTQ = 0x5411;
my $end = time + $o{give_up} * ($ENV{SLOW} // 1);

$SIG{PIPE} = 'IGNORE';
srand $o{seed};

sub seal {
	my ($type, $time, $data) = @_;
	my $head = pack 'CCH32Q<x32V', 1, $type, $o{uuid}, $time, length $data;

	substr($head, 26, 32) = hmac_sha256($head . $data, $o{key});
	return $head . $data;
}

# -- units: [bytes, whether it is of the preamble] ---------------------------

sub units {
	my ($bytes) = @_;
	my ($at, @units) = (0);

	if ($o{type} == 1) {
		push @units, [substr($bytes, 0, 24), 1];
		for ($at = 24; $at < length $bytes; ) {
			my $len = 16 + unpack 'V', substr $bytes, $at + 8, 4;
			push @units, [substr($bytes, $at, $len), 0];
			$at += $len;
		}
	} elsif ($o{type} == 5) {
		while ($at < length $bytes) {
			my ($kind, $len) = unpack 'VV', substr $bytes, $at, 8;
			push @units, [substr($bytes, $at, $len),
			    $kind == 0x0a0d0d0a || $kind == 1];
			$at += $len;
		}
	} elsif ($o{type} == 7) {
		while ($at < length $bytes) {
			my $len = unpack 'n', substr $bytes, $at + 2, 2;
			push @units, [substr($bytes, $at, $len), 0];
			$at += $len;
		}
	} elsif ($o{type} =~ /^(3|6|8|254)$/) {
		@units = map { [$_, 0] } $bytes =~ /([^\n]*\n|[^\n]+\z)/g;
	} else {
		@units = map { [$_, 0] } unpack '(a1024)*', $bytes;
	}
	return \@units;
}

# -- records: { bytes, anchor, preamble, at } --------------------------------

my (@records, %used, $second, $since);

sub add {
	my ($data, $begins, $preamble) = @_;
	my $now = $o{time} + int(@records / $o{rate});
	my $fresh = ($second // -1) != $now;

	%used = () if $fresh;
	$second = $now;
	my $anchor = $begins && !$preamble &&
	    ($fresh || !$used{length $data});
	$used{length $data} = 1;
	push @records, { bytes => seal($o{type}, $now, $data),
	    anchor => $anchor, preamble => $preamble };
	$since = $anchor ? 0 : ($since // 0) + 62 + length $data;
}

sub cut_into_records {
	my ($units) = @_;
	my $data = '';

	for my $u (@$units) {
		if ($u->[1]) {
			add($data, 1, 0) if length $data;
			$data = '';
			add($u->[0], 1, 1);
			next;
		}
		if (length $data && length($data) + length $u->[0] > $o{size}) {
			add_data($data);
			$data = '';
		}
		$data .= $u->[0];
	}
	add_data($data) if length $data;
}

# Where there was no anchor for long, one is made by its length.
sub add_data {
	my ($data) = @_;
	my $begins = 1;

	while (length $data) {
		my $n = $o{size};
		if ($begins && ($since // 0) > $o{window} / 4) {
			my $next = $o{time} + int(@records / $o{rate});
			if ($next == $second && $used{
			    $n < length $data ? $n : length $data}) {
				$n = 1;
				$n++ while $used{$n};
			}
		}
		add(substr($data, 0, $n, ''), $begins, 0);
		$begins = 0;
	}
}

# -- sessions ----------------------------------------------------------------

my ($acknowledged, $sessions, $again, $sent_max) = (0, 0, 0, 0);
my (@holes, @offset);
my $cut_now = 0;

$SIG{USR1} = sub { $cut_now = 1 };

# The first record to be sent: the last anchor a window before what was
# acknowledged, ever.
sub head {
	my $n = 0;

	for my $i (0 .. $#records) {
		last if $offset[$i] > $acknowledged - $o{window};
		$n = $i if $records[$i]{anchor};
	}
	return $n;
}

sub dial {
	while (time < $end) {
		my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		    PeerPort => $ports[0]);
		push @ports, shift @ports;
		return $s if $s;
		sleep 0.05;
	}
	die "no connection\n";
}

sub cut {
	my ($s, $bytes) = @_;
	my $how = $o{how} eq 'any' ? (qw(rst fin half hole))[rand 4] : $o{how};

	if ($how eq 'hole') {
		push @holes, $s;
		return;
	}
	syswrite $s, substr $bytes, 0, 1 + rand(length($bytes) - 1)
	    if $how eq 'half';
	setsockopt $s, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
	    if $how eq 'rst';
	close $s;
}

# What the peer's kernel has, in the stream.
sub acknowledge {
	my ($s, $reached) = @_;
	my $left = pack 'i', 0;

	ioctl $s, $TIOCOUTQ, $left or return;
	my $at = $reached - unpack 'i', $left;
	$acknowledged = $at if $at > $acknowledged;
}

sub write_all {
	my ($s, $bytes) = @_;

	while (length $bytes) {
		my $n = syswrite $s, $bytes;
		# Closed by who leaves, as after each other failure.
		return $cut_now = 0 if $cut_now || !$n;
		substr $bytes, 0, $n, '';
	}
	return 1;
}

# 1 when the end was answered, 0 to go on.
sub session {
	my ($hello) = @_;
	my $first = head();
	my $s = dial();
	my $left = $o{cuts}-- > 0 ? 1 + rand $o{every} : 1 << 60;
	my ($batch, $rest) = ('', 0);

	$sessions++;
	write_all($s, $hello) or return 0;
	my @preamble;
	for my $i (0 .. $first - 1) {
		next if !$records[$i]{preamble};
		# A file header or section begins anew.
		@preamble = () if substr($records[$i]{bytes}, 62, 4) =~
		    /^(\x0a\x0d\x0d\x0a|\xd4\xc3\xb2\xa1)/;
		push @preamble, $i;
	}
	$left -= length $records[$_]{bytes} for @preamble;
	write_all($s, $records[$_]{bytes}) or return 0 for @preamble;
	for my $i ($first .. $#records) {
		my $bytes = $records[$i]{bytes};

		if ($left < length $bytes) {
			cut($s, $bytes);
			return 0;
		}
		$again += length $bytes if $i < $sent_max;
		$sent_max = $i + 1 if $i >= $sent_max;
		$left -= length $bytes;
		write_all($s, $bytes) or return 0;
		acknowledge($s, $offset[$i + 1]);
		if ($o{slow} && ($rest += length $bytes) > 65536) {
			sleep $o{slow} / 1000;
			$rest = 0;
		}
	}
	if ($o{noanswer}-- > 0) {
		close $s;
		return 0;
	}
	shutdown $s, 1;
	my $got = sysread $s, my $answer, 1;
	return defined $got && $got == 0;
}

open my $in, '<:raw', $file or die "$file: $!\n";
cut_into_records(units(do { local $/; <$in> } // ''));
my $now = $o{time} + int(@records / $o{rate});
push @records, { bytes => seal($o{type}, $now, ''), anchor => 0 }
    if !$o{noclose};
$offset[0] = 0;
$offset[$_ + 1] = $offset[$_] + length $records[$_]{bytes} for 0 .. $#records;
my $hello = seal($o{type} == 254 ? 2 : $o{type}, $o{time}, '');
$hello .= seal(2, $o{time}, $o{meta}) if $o{type} == 254;
until (session($hello)) {
	exit 0 if $o{noclose} && $o{cuts} < 0;
	die "not answered in time\n" if time > $end;
	sleep 0.02;
}
printf "%d sessions, %d records, %d bytes again\n", $sessions,
    scalar @records, $again;
