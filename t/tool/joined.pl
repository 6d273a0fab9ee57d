#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# joined.pl TYPE SESSION...: what a receiver keeps that knows records again, from
# the sessions in these files (of t/collector.pl), in their order: the model of
# d4-resume(7), small and slow.  TYPE is lines, pcap or opaque.  The data goes to
# standard output, to standard error "N sessions, N streams, N bytes again, N
# gaps".

use strict;
use warnings;

my ($type, @sessions) = @ARGV;
my $TAIL = 16 << 20;
my ($hello, $streams, $again, $gaps) = ('', 0, 0, 0);
my (@tail, @data, %preamble, $out);

binmode STDOUT;
$out = '';

# Where the last whole unit ends.
sub border {
	return length $out if $type eq 'opaque';
	return 1 + rindex $out, "\n" if $type eq 'lines';
	my $at = 0;
	while ($at < length $out) {
		my $len = substr($out, $at, 4) eq "\xd4\xc3\xb2\xa1" ? 24 :
		    $at + 16 > length $out ? 1 << 40 :
		    16 + unpack 'V', substr $out, $at + 8, 4;
		last if $at + $len > length $out;
		$at += $len;
	}
	return $at;
}

# The session ended badly: back to the last whole unit.
sub cut {
	my $border = border();

	$out = substr $out, 0, $border;
	pop @tail while @tail && $tail[-1]{end} > $border;
}

sub store {
	my ($tag, $wire, $data) = @_;

	$out .= $data;
	push @tail, { tag => $tag, wire => $wire, end => length $out };
}

for my $path (@sessions) {
	open my $in, '<:raw', $path or die "$path: $!\n";
	my $bytes = do { local $/; <$in> } // '';
	my ($at, $state, $i, $sum, $closed) = (0, 'hello', 0, 0, 0);

	while ($at + 62 <= length $bytes) {
		my ($kind, $size) = unpack 'xCx56V', substr $bytes, $at, 62;
		last if $at + 62 + $size > length $bytes;
		my $tag = substr $bytes, $at + 26, 32;
		my $data = substr $bytes, $at + 62, $size;
		$at += 62 + $size;
		if ($state eq 'hello') {
			$state = 'seek';
			if ($tag ne $hello) {
				$streams++;
				$hello = $tag;
				@tail = %preamble = ();
			}
			for ($i = @tail; $i > 0 && $sum < $TAIL; $i--) {
				$sum += $tail[$i - 1]{wire};
			}
			splice @tail, 0, $i;
			$i = 0;
			next;
		}
		next if $kind == 2;
		$closed = $size == 0;
		if ($state eq 'seek' && @tail) {
			if ($preamble{$tag}) {
				$again += $size;
				next;
			}
			$i++ while $i < @tail && $tail[$i]{tag} ne $tag;
			$gaps++ if $i == @tail;
			$state = $i++ == @tail ? 'live' : 'follow';
			if ($state eq 'follow') {
				$again += $size;
				next;
			}
		}
		if ($state eq 'follow' && $i < @tail) {
			if ($tail[$i]{tag} eq $tag) {
				$again += $size;
				$i++;
				next;
			}
			$gaps++;
		}
		$state = 'live';
		$preamble{$tag} = 1 if $type eq 'pcap' && $size == 24 &&
		    $data =~ /^\xd4\xc3\xb2\xa1/;
		store($tag, 62 + $size, $data);
	}
	cut() unless $closed;
}
print $out;
printf STDERR "%d sessions, %d streams, %d bytes again, %d gaps\n",
    scalar @sessions, $streams, $again, $gaps;
