#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Makes D4 records for tests, also such as no client sends, and shows what a
# stream holds, all by itself: nothing of the library is in use.
#
#	records.pl record...	writes each record to stdout
#	records.pl -d [key]	shows the stream on stdin: a line a record
#
# A record is name=value pairs joined by commas:
#
#	version type time size	fields of the header (size: that of the data)
#	uuid			32 hexadecimal digits
#	data			the payload, without commas; @FILE reads it
#	bytes			the payload is so many letters x
#	key			of the HMAC
#	flip			then the byte at this offset is changed
#	cut			then so many bytes at the end are left out
#	times			so many such records

use strict;
use warnings;
use Digest::SHA 'hmac_sha256';

binmode STDIN;
binmode STDOUT;

my $KEY = 'a key for these tests';

sub seal {
	my ($head, $data, $key) = @_;

	substr($head, 26, 32) = "\0" x 32;
	substr($head, 26, 32) = hmac_sha256($head . $data, $key);
	return $head . $data;
}

sub slurp {
	my ($name) = @_;

	open my $in, '<:raw', $name or die "$name: $!\n";
	local $/;
	return <$in>;
}

sub make {
	my %r = (version => 1, type => 1, time => 1795220274, key => $KEY,
	    uuid => '0f3c2a9e5b714c8d9a647e2d1b0c9f35', data => '',
	    cut => 0, times => 1, map { split /=/, $_, 2 } split /,/, $_[0]);
	my $data = exists $r{bytes} ? 'x' x $r{bytes} :
	    $r{data} =~ /^@(.*)/s ? slurp($1) : $r{data};
	my $record = seal(pack('CCH32Q<x32V', @r{qw(version type uuid time)},
	    $r{size} // length $data), $data, $r{key});

	substr($record, $r{flip}, 1) ^= "\1" if exists $r{flip};
	$record = substr $record, 0, length($record) - $r{cut};
	return $record x $r{times};
}

sub show {
	my ($key) = @_;
	my $stream = do { local $/; <STDIN> } // '';
	my $at = 0;

	while ($at < length $stream) {
		my $record = substr $stream, $at, 62;
		last if length $record < 62;
		my ($version, $type, $uuid, $time, $size) =
		    unpack 'CCH32Q<x32V', $record;
		my $data = substr $stream, $at + 62, $size;
		last if length $data < $size;
		printf "version %d type %d uuid %s time %d size %d hmac %s\n",
		    $version, $type, $uuid, $time, $size,
		    seal($record, $data, $key) eq $record . $data ?
		    'good' : 'bad';
		$at += 62 + $size;
	}
	printf "%d bytes are no record\n", length($stream) - $at
	    if $at < length $stream;
}

if (@ARGV && $ARGV[0] eq '-d') {
	show($ARGV[1] // $KEY);
} else {
	print make($_) for @ARGV;
}
