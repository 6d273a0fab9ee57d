#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Joins what several stores keep of one stream, parts of which are in each.
#
#	union.pl UUID TYPE STORE...
#
# On stdout all units in the order of their numbers: of lines these come first,
# of packets (types 1 and 5) they are the seconds or the lower half of the time.
# With equal numbers in the input, what it says is sorted, as the input has to
# be.  A pcap has its file header once, a pcapng nothing but packets.

use strict;
use warnings;

my ($uuid, $type, @stores) = @ARGV;
my %unzip = (gz => 'zcat', zst => 'zstdcat');
my ($header, @units) = ('');

sub slurp {
	my ($path) = @_;
	my ($end) = $path =~ /\.(gz|zst)$/;

	open my $in, $end ? '-|:raw' : '<:raw',
	    $end ? ($unzip{$end}, $path) : $path or die "$path: $!\n";
	local $/;
	return scalar(<$in>) // '';
}

sub take_pcap {
	my ($path, $bytes) = @_;
	my $at = 24;

	$header = substr $bytes, 0, 24;
	while ($at < length $bytes) {
		my $len = 16 + unpack 'V', substr $bytes, $at + 8, 4;
		die "$path: not whole\n" if $at + $len > length $bytes;
		push @units, [unpack('V', substr $bytes, $at, 4),
		    substr $bytes, $at, $len];
		$at += $len;
	}
}

sub take_pcapng {
	my ($path, $bytes) = @_;
	my $at = 0;

	while ($at < length $bytes) {
		my ($kind, $len) = unpack 'VV', substr $bytes, $at, 8;
		die "$path: not whole\n" if $at + $len > length $bytes;
		push @units, [unpack('V', substr $bytes, $at + 16, 4),
		    substr $bytes, $at, $len] if $kind == 6;
		$at += $len;
	}
}

for my $store (grep { -d "$_/$uuid/$type" } @stores) {
	for my $path (sort split /\n/,
	    qx(find '$store/$uuid/$type' -type f ! -name '*.json*')) {
		my $bytes = slurp($path);

		if ($type == 1) {
			take_pcap($path, $bytes);
		} elsif ($type == 5) {
			take_pcapng($path, $bytes);
		} else {
			push @units, map { [/^(\d+)/, $_] }
			    $bytes =~ /([^\n]*\n|[^\n]+\z)/g;
		}
	}
}
binmode STDOUT;
print $header, map { $_->[1] }
    sort { $a->[0] <=> $b->[0] || $a->[1] cmp $b->[1] } @units;
