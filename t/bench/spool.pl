#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# make bench: d4 with a spool beside d4 without one, from the same file to a
# d4-recv that keeps it on the same disk.
#
#	BENCH_SPOOL_MIB=n	size of the input, 256
#	BENCH_RUNS=n		interleaved runs of each, 5

use strict;
use warnings;
use Cwd 'abs_path';
use File::Basename;
use File::Temp 'tempdir';
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $top = abs_path(dirname(abs_path($0)) . '/../..');
my $mib = $ENV{BENCH_SPOOL_MIB} || 256;
my $runs = $ENV{BENCH_RUNS} || 5;
my $dir = tempdir('d4-bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($recv, %times, %cpu);

chdir $dir or die "$dir: $!\n";
$SIG{TERM} = $SIG{INT} = $SIG{HUP} = sub { exit 1 };

END {
	local $?;
	if ($recv) {
		kill TERM => $recv;
		waitpid $recv, 0;
	}
	chdir '/';
}

sub put {
	my ($name, $text) = @_;

	open my $out, '>', $name or die "$name: $!\n";
	print $out $text;
	close $out or die "$name: $!\n";
}

sub make_input {
	my $packets = join '', map {
		my $n = 60 + $_ * 37 % 1400;
		pack('VVVV', 1795220274, $_, $n, $n) . pack('N', $_) x ($n / 4)
		    . "\0" x ($n % 4);
	} 1 .. 3000;

	open my $out, '>:raw', 'input' or die "input: $!\n";
	print $out pack 'VvvVVVV', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1;
	print $out $packets for 1 .. int(($mib << 20) / length $packets);
	close $out or die "input: $!\n";
}

sub configure {
	my $port = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	    Listen => 1)->sockport;
	my %d4 = (version => 1, type => 1, snaplen => 4096,
	    key => 'a key for benchmarks', source => "$dir/input",
	    uuid => '0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35',
	    destination => "tcp:127.0.0.1:$port");
	my %recv = (key => $d4{key}, source => "tcp:127.0.0.1:$port",
	    destination => "$dir/store", mode => 'shared-secret', types => 1,
	    compress => 'none');

	mkdir $_ for qw(memory spool recv);
	put("memory/$_", "$d4{$_}\n") for keys %d4;
	put("spool/$_", "$d4{$_}\n") for keys %d4;
	put('spool/spool', "$dir/kept\n");
	put("recv/$_", "$recv{$_}\n") for keys %recv;
	chmod 0600, glob '*/key';
	$recv = fork // die "fork: $!\n";
	if (!$recv) {
		open STDERR, '>', 'recv.log' or die;
		exec "$top/d4-recv/d4-recv", '-v', '-c', 'recv';
	}
	for (1 .. 500) {
		last if qx(cat recv.log 2>/dev/null) =~ /listening/;
		sleep 0.02;
	}
}

sub median {
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[@sorted / 2];
}

make_input();
configure();
for my $run (0 .. $runs) {
	for my $how (qw(memory spool)) {
		# It would know the file again.
		system 'rm -rf kept';
		# What was written before is not this one's to wait for.
		system 'sync';
		my ($begin, @before) = (time, times);

		system("$top/d4/d4", '-c', $how) == 0 or
		    die "d4 failed: $?\n";
		my ($end, @after) = (time, times);
		system 'rm -rf store/[0-9a-f]* 2>/dev/null';
		# The first run warms the caches.
		next if $run == 0;
		push @{$times{$how}}, $end - $begin;
		push @{$cpu{$how}}, $after[2] + $after[3] - $before[2] -
		    $before[3];
	}
}
my $mb = (-s 'input') / 1e6;
printf "\nA spool, to d4-recv on the same disk, %d MiB, medians of %d runs " .
    "in turns\n  %-22s %8s %10s %8s\n", $mib, $runs, '', 'MB/s', 'ratio',
    'CPU s';
for my $how (qw(memory spool)) {
	printf "  %-22s %8.0f %10.2f %8.2f\n", "d4, $how",
	    $mb / median(@{$times{$how}}), median(@{$times{memory}}) /
	    median(@{$times{$how}}), median(@{$cpu{$how}});
}
