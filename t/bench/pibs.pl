#!/usr/bin/env perl
# SPDX-License-Identifier: ISC
#
# make bench: how fast d4-pibs is beside tcpdump and zcat, as ratios of the
# medians of interleaved runs.
#
#	BENCH_PACKETS=n	packets of the capture, 5,000,000
#	BENCH_RUNS=n	runs of each command, 7
#	D4_SHARED=dir	where tools/mktelescope.py lies, ../shared

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Time::HiRes qw(time);

my $top = abs_path(dirname(__FILE__) . '/../..');
my $shared = $ENV{D4_SHARED} // "$top/../shared";
my $packets = $ENV{BENCH_PACKETS} // 5_000_000;
my $runs = $ENV{BENCH_RUNS} // 7;
my $make = "$shared/tools/mktelescope.py";
my $pibs = "$top/d4-pibs/d4-pibs";

unless (-r $make && system('command -v python3 tcpdump >/dev/null') == 0) {
	print "d4-pibs: no mktelescope.py, python3 or tcpdump: not measured\n";
	exit 0;
}
my $dir = tempdir('d4-bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

sub sh {
	my ($cmd) = @_;
	system('sh', '-c', $cmd) == 0 or die "$cmd: failed\n";
}

sub telescope {
	my ($name, @options) = @_;
	sh("python3 '$make' -n $packets --seed 7 @options > $dir/$name.pcap");
}

sub once {
	my ($cmd) = @_;
	my $start = time;
	sh("$cmd > /dev/null 2> $dir/err");
	return time - $start;
}

sub median {
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[@sorted / 2];
}

# Runs two commands in turns; how many times faster the first is.
sub compare {
	my ($name, $want, $ours, $theirs) = @_;
	my (@ours, @theirs);
	for (1 .. $runs) {
		push @theirs, once($theirs);
		push @ours, once($ours);
	}
	my ($a, $b) = (median(@ours), median(@theirs));
	printf "%-44s %7.3f s %7.3f s %6.2f  (at least %.2f)%s\n", $name, $a,
	    $b, $b / $a, $want, $b / $a < $want ? '  below' : '';
}

printf "d4-pibs, %d packets, medians of %d\n%-44s %9s %9s %6s\n", $packets,
    $runs, '', 'd4-pibs', 'other', 'ratio';
telescope('mixed');
sh("gzip -kf $dir/mixed.pcap");
my $tcpdump = "tcpdump -r $dir/mixed.pcap -w /dev/null " .
    "'tcp and tcp[tcpflags] & (tcp-syn) == 0'";
compare('-b / tcpdump', 4, "$pibs -b -r $dir/mixed.pcap", $tcpdump);
compare('-a / tcpdump', 2.5, "$pibs -a -r $dir/mixed.pcap", $tcpdump);
compare('-b of .gz / zcat', 1.8, "$pibs -b -r $dir/mixed.pcap.gz",
    "zcat $dir/mixed.pcap.gz");
unlink "$dir/mixed.pcap", "$dir/mixed.pcap.gz";

# Scanners alone, drawn from as many as there are packets, and from few.
telescope('many', '--noise 1 --victims 0 --mix syn=256 --scanners', $packets);
telescope('few', '--noise 1 --victims 0 --mix syn=256 --scanners 1000');
compare("-b, $packets scanners / 1000", 0.35, "$pibs -b -r $dir/many.pcap",
    "$pibs -b -r $dir/few.pcap");
