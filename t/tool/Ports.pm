# SPDX-License-Identifier: ISC
#
# Ports of 127.0.0.1 for tests: free_port() gives one at which nobody listens.
#
# It lies below those that the system gives out by itself.  Of those another
# test's connection may take one before it is listened at, and a connection to
# where nobody listens may be given that very port, and then it meets itself.

package Ports;

use strict;
use warnings;
use Exporter 'import';
use IO::Socket::INET;

our @EXPORT = ('free_port');

sub free_port {
	for (1 .. 100) {
		my $port = 10000 + ($$ * 31 + int rand 1e6) % 22000;

		return $port if IO::Socket::INET->new(Listen => 1,
		    LocalAddr => '127.0.0.1', LocalPort => $port);
	}
	die "no free port\n";
}

1;
