#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Reads what a store keeps of the sensors of t/tool/sensors.c.
#
#	store.pl join STORE	joins the files of each sensor and type by the
#				rules of their formats: "uuid type bytes sha256"
#	store.pl check STORE	every file is whole, and what a session sent
#				is there from its first unit on without a gap:
#				"N files, N sessions, N units", or what is not

use strict;
use warnings;
use Digest::SHA;

my ($verb, $store) = @ARGV;
my %unzip = (gz => 'zcat', zst => 'zstdcat');

sub slurp {
	my ($path) = @_;
	my $in;

	if ($path =~ /\.(gz|zst)$/) {
		open $in, '-|:raw', $unzip{$1}, $path or die "$path: $!\n";
	} else {
		open $in, '<:raw', $path or die "$path: $!\n";
	}
	local $/;
	my $bytes = <$in>;
	close $in or die "$path: not readable\n";
	return $bytes;
}

# Finished files of streams by sensor and type, in order.
sub files {
	my %files;

	for my $path (split /\n/,
	    qx(find '$store' -type f -path '*/[0-9]*/[0-9]*/*')) {
		next if $path =~ m{/(registry|queues|\.open|\.tail)/};
		next if $path =~ /\.json(\.gz|\.zst)?$/;
		my ($uuid, $type) = $path =~
		    m{/([0-9a-f]{32})/(\d+)/\d{4}/\d\d/\d\d/} or next;
		push @{$files{"$uuid $type"}}, $path;
	}
	return \%files;
}

# The time in its name, then its number: ".10" comes after ".9".
sub by_age {
	my @a = $a =~ /-(\d{4}-\d\d-\d\d-\d{6})(?:\.(\d+))?\./;
	my @b = $b =~ /-(\d{4}-\d\d-\d\d-\d{6})(?:\.(\d+))?\./;
	return $a[0] cmp $b[0] || ($a[1] // 0) <=> ($b[1] // 0);
}

# How long the preamble is that every file of the type begins with.
sub preamble {
	my ($type, $bytes) = @_;
	my $at = 0;

	return 24 if $type == 1;
	return 0 if $type != 5;
	while ($at + 8 <= length $bytes) {
		my ($kind, $len) = unpack 'VV', substr $bytes, $at, 8;
		last if $kind != 0x0a0d0d0a && $kind != 1;
		$at += $len;
	}
	return $at;
}

sub join_files {
	my $files = files();

	for my $key (sort keys %$files) {
		my ($uuid, $type) = split / /, $key;
		my ($sha, $n, $len) = (Digest::SHA->new(256), 0, 0);

		for my $path (sort by_age @{$files->{$key}}) {
			my $bytes = slurp($path);
			$bytes = substr $bytes, preamble($type, $bytes)
			    if $n++ > 0;
			$sha->add($bytes);
			$len += length $bytes;
		}
		printf "%s %d %d %s\n", $uuid, $type, $len, $sha->hexdigest;
	}
}

# -- units ------------------------------------------------------------------

sub body {
	my ($body) = @_;
	my ($n, $session, $seq) = unpack 'VVV', $body;

	return undef if length $body < 16 ||
	    unpack('V', substr $body, -4) != $seq;
	return [$n, $session, $seq];
}

sub binary_units {
	my ($type, $bytes) = @_;
	my ($at, @units) = (preamble($type, $bytes));

	while ($at < length $bytes) {
		my ($len, $body);
		return undef if $at + 16 > length $bytes;
		if ($type == 1) {
			$len = 16 + unpack 'V', substr $bytes, $at + 8, 4;
			$body = substr $bytes, $at + 16, $len - 16;
		} elsif ($type == 5) {
			$len = unpack 'V', substr $bytes, $at + 4, 4;
			$body = substr $bytes, $at + 28, $len - 32;
		} else {
			$len = unpack 'n', substr $bytes, $at + 2, 2;
			$body = substr $bytes, $at + 20, $len - 20;
		}
		return undef if $at + $len > length $bytes;
		my $unit = body($body) or return undef;
		push @units, $unit;
		$at += $len;
	}
	return \@units;
}

# The last line of a session may have been cut off on the way.
sub line_units {
	my ($bytes) = @_;
	my @units;

	$bytes =~ s/[^\n]+\z//;
	for (split /\n/, $bytes) {
		/^(\d+) (\d+) (\d+) [a-z]* (\d+)$/ && $3 == $4 or return undef;
		push @units, [$1, $2, $3];
	}
	return \@units;
}

sub check_files {
	my ($files, %next, $nfiles, $nunits) = (files());

	for my $key (sort keys %$files) {
		my ($uuid, $type) = split / /, $key;

		for my $path (sort by_age @{$files->{$key}}) {
			my $bytes = slurp($path);
			my $units = $type =~ /^[157]$/ ?
			    binary_units($type, $bytes) : line_units($bytes);

			$nfiles++;
			print "$path: not whole\n" if !defined $units;
			for (@{$units // []}) {
				my $session = "$key $_->[0] $_->[1]";
				print "$path: $_->[2] of session $_->[1] " .
				    'is not ' . ($next{$session} // 0) . "\n"
				    if $_->[2] != ($next{$session} // 0);
				$next{$session} = $_->[2] + 1;
				$nunits++;
			}
		}
	}
	printf "%d files, %d sessions, %d units\n", $nfiles // 0,
	    scalar keys %next, $nunits // 0;
}

$verb eq 'join' ? join_files() : check_files();
