#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# collect.pl TOP DIR: the benchmark itself, see collect.sh.
#
# A run of ours lasts until d4 has ended, that is until the collector answered
# that all is stored; one of socat's until both ends have.  Neither waits for
# the disk: the files are removed when they are complete, between the runs.

use strict;
use warnings;
use FindBin;
use JSON::PP;
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Collector;

my ($top, $dir) = @ARGV;
my $mib = $ENV{BENCH_MIB} || 1024;
my $runs = $ENV{BENCH_RUNS} || 5;
my $json = $ENV{BENCH_JSON};

$json = Cwd::getcwd() . "/$json" if $json && $json !~ m{^/};
chdir $dir or die "$dir: $!\n";
$| = 1;

sub median {
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[@sorted / 2];
}

# Of each column of the rows.
sub medians {
	my @rows = @_;

	return map { my $at = $_; median(map { $_->[$at] } @rows) }
	    0 .. $#{$rows[0]};
}

# A capture with packets of a few usual sizes.
sub make_capture {
	my @sizes = (60, 66, 74, 1514, 90, 1514, 342, 1514, 60, 590);
	my $bytes = join '', map { chr(33 + $_ * 7 % 90) } 1 .. 3000;
	my ($block, $n) = ('', 0);

	while (length $block < 1 << 20) {
		my $len = $sizes[$n++ % @sizes];
		$block .= pack('VVVV', 1700000000 + $n, 0, $len, $len) .
		    substr $bytes, $n % 1000, $len;
	}
	open my $out, '>', 'input' or die "input: $!\n";
	print $out pack('VvvVVVV', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1);
	print $out $block for 1 .. $mib;
	close $out or die "input: $!\n";
	return -s 'input';
}

sub make_sensor {
	system('cp', '-r', "$top/conf.sample", 'sensor') == 0 or exit 1;
	Collector::put('sensor/destination', "localhost:$Collector::port\n");
	Collector::put('sensor/key', "a key for benchmarks\n");
	chmod 0600, 'sensor/key';
	system('cp', 'server.crt', 'sensor/rootCA.crt') == 0 or exit 1;
}

sub timed {
	my $begin = time;

	system(@_) == 0 or die "failed: @_\n";
	return time - $begin;
}

# Seconds of CPU that ended children used.
sub cpu {
	my @times = times;

	return $times[2] + $times[3];
}

# Returns the seconds, then those of CPU at either end.
sub ours {
	my ($size) = @_;
	my @before = (cpu(), Collector::cpu_seconds());
	my $t = timed("$top/d4/d4 -c sensor < input");
	my ($file) = Collector::wait_for('the finished file',
	    sub { return (Collector::files())[0] });

	-s $file == $size or die "$file: is not what was sent\n";
	unlink $file;
	return [$t, cpu() - $before[0], Collector::cpu_seconds() - $before[1]];
}

# socat of a relay, into a file.
sub socats {
	my ($size) = @_;
	my $port = Ports::free_port();
	my $pid = fork // die "fork: $!\n";

	if ($pid == 0) {
		open STDOUT, '>', 'received' or die "received: $!\n";
		exec 'socat', '-u', "OPENSSL-LISTEN:$port,bind=127.0.0.1," .
		    'cert=server.crt,key=server.key,verify=0', '-';
		die "socat: $!\n";
	}
	# A connection to look whether it listens would be its only one.
	Collector::wait_for('socat', sub { Collector::slurp('/proc/net/tcp')
	    =~ /^\s*\d+: 0100007F:@{[ sprintf '%04X', $port ]} \S+ 0A/m });
	my $before = cpu();
	my $t = timed("socat -u FILE:input OPENSSL:localhost:$port," .
	    'cafile=server.crt,verify=1');
	my $middle = cpu();
	my $begin = time;
	waitpid $pid, 0;
	$t += time - $begin;
	-s 'received' == $size or die "received: is not what was sent\n";
	unlink 'received';
	return [$t, $middle - $before, cpu() - $middle];
}

sub captures {
	my $size = make_capture();
	my (@ours, @socats);

	make_sensor();
	for (0 .. $runs) {
		my ($a, $b) = (ours($size), socats($size));
		# The first turn fills caches.
		next if $_ == 0;
		push @ours, $a;
		push @socats, $b;
	}
	my ($a, @cpu) = medians(@ours);
	my ($b, @socat_cpu) = medians(@socats);
	my $gib = $size / 2**30;
	my $line = "%7.2f s %7.0f MB/s  CPU s per GiB %.2f and %.2f\n";
	printf "\nA capture of %d MiB over TLS into a file, medians of %d runs" .
	    " in turns\n  d4 to d4-recv   $line  socat to socat  $line" .
	    "  ratio %.2f\n", $mib, $runs,
	    $a, $size / 1e6 / $a, map({ $_ / $gib } @cpu),
	    $b, $size / 1e6 / $b, map({ $_ / $gib } @socat_cpu), $b / $a;
	unlink 'input';
	return { bytes => $size, seconds => $a, socat_seconds => $b,
	    ratio => $b / $a, cpu_seconds => \@cpu,
	    socat_cpu_seconds => \@socat_cpu };
}

sub small_records {
	my ($sensors, $bytes) = (50, 100);
	my (@rates, @cpu);

	for (0 .. $runs) {
		my $before = Collector::cpu_seconds();
		my $said = `$top/t/bench/load -C server.crt -k coll/key \\
		    -b $bytes -n $sensors -s 4 $Collector::port`;
		$said =~ m{^(\d+) records, .* (\d+) records/s$}
		    or die "load failed\n";
		next if $_ == 0;
		push @rates, $2;
		push @cpu, 1e6 * (Collector::cpu_seconds() - $before) / $1;
	}
	printf "\nRecords of %d bytes from %d sensors at once over TLS\n" .
	    "  %.0f records/s, %.2f us of CPU each\n", $bytes, $sensors,
	    median(@rates), median(@cpu);
	return { sensors => $sensors, bytes => $bytes,
	    records_per_s => median(@rates), cpu_us => median(@cpu) };
}

Collector::start($top);
my $captures = captures();
my $records = small_records();
Collector::put("$json.collect", JSON::PP->new->canonical->pretty->encode({
    capture => $captures, records => $records })) if $json;
