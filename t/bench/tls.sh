#!/bin/sh
# SPDX-License-Identifier: ISC
#
# make bench: d4 over TLS on loopback beside socat, which authenticates nothing,
# from the same file to the same sink, and beside the two in a pipe; and the
# seconds of CPU that a GiB costs the one and the other end.  First to a sink
# that throws the ciphertext away, so that the sender has the machine, as it has
# where the collector is another; then to one that decrypts beside it.
#
#	BENCH_TLS_MIB=n	size of the input, 1024; a run of d4 that is over within
#			a second waits for its end, see d4-resume(7)
#	BENCH_RUNS=n	interleaved runs of each, 5

set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/d4-bench.XXXXXX")
trap 'kill $cipher $plain 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
cipher='' plain=''
cd "$dir"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout s.key \
    -out s.crt 2>openssl.log
cp -R "$top/conf.sample" conf
cp s.crt conf/rootCA.crt
"$top/d4/d4" --genkey >conf/key
chmod 600 conf/key
cat s.crt s.key >s.pem

free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(
	    LocalAddr => "127.0.0.1", Listen => 1)->sockport'
}

port=$(free_port)
"$top/t/bench/sink" -c "$port" s.pem >sink.log &
cipher=$!
perl "$top/t/bench/tls.pl" "$top" "$port" "$cipher" \
    'to a sink that takes the ciphertext'
port=$(free_port)
"$top/t/bench/sink" "$port" s.pem >>sink.log &
plain=$!
perl "$top/t/bench/tls.pl" "$top" "$port" "$plain" \
    'to a sink that decrypts' '^(?!.*\|)'
