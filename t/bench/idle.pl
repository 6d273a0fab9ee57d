#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# idle.pl TOP DIR: the benchmark itself, see idle.sh.

use strict;
use warnings;
use FindBin;
use IPC::Open2;
use Time::HiRes 'sleep';
use lib $FindBin::Bin;
use Collector;

my ($top, $dir) = @ARGV;
my $sensors = $ENV{IDLE_SENSORS} || 10000;
my $at_once = $ENV{IDLE_AT_ONCE} || 64;

chdir $dir or die "$dir: $!\n";
Collector::start($top);
my $pid = open2(my $from, my $to, "$top/t/bench/load", '-i', '-C',
    'server.crt', '-k', 'coll/key', '-a', $at_once, '-n', $sensors,
    $Collector::port);
my $said = <$from> // die "load failed\n";
print $said;
Collector::wait_for('all of them', sub {
    Collector::metric('d4_recv_connections') >= $sensors });
printf "memory %.0f MiB, at most %.0f, %.1f KiB each\n",
    Collector::memory('VmRSS') / 1024, Collector::memory('VmHWM') / 1024,
    Collector::memory('VmRSS') / $sensors;
my @ms;
for (1 .. 20) {
	syswrite $to, "\n";
	push @ms, scalar(<$from>) // die "load failed\n";
	sleep 0.2;
}
@ms = sort { $a <=> $b } @ms;
printf "one more is served in %.1f ms, at most %.1f\n", $ms[10], $ms[19];
my $cpu = Collector::cpu_seconds();
sleep 5;
printf "silent, they cost %.1f %% of a CPU\n",
    100 * (Collector::cpu_seconds() - $cpu) / 5;
close $to;
waitpid $pid, 0;
exit($? == 0 ? 0 : 1);
