#!/bin/sh
# SPDX-License-Identifier: ISC
#
# The demonstration: a capture goes from a sensor to a collector over TLS and
# comes out as it went in.  Every command shown is the one that is run, in a
# directory of its own that is gone at the end.

set -eu
umask 077

top=$(cd "$(dirname "$0")/.." && pwd)
PATH=$top/d4:$top/d4-recv:$PATH
TZ=UTC
export PATH TZ

dir=$(mktemp -d "${TMPDIR:-/tmp}/d4-demo.XXXXXX")
relay=

clean() {
	[ -z "$relay" ] || kill "$relay" 2>/dev/null || true
	wait
	rm -rf "$dir"
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
cd "$dir"

indent() {
	fold -s -w 74 | sed -e 's/^/     /'
}

step() {
	printf '\n%s\n' "$*"
}

# Shows a command, of one line or several, and runs it.
run() {
	printf '%s\n' "$1" | sed -e '1s/^/   $ /' -e '2,$s/^/   /'
	eval "$1"
}

# The same with its output, which goes through a file to keep the status.
run_and_tell() {
	printf '   $ %s\n' "$1"
	eval "$1" > output
	indent < output
}

give_up() {
	echo "demo: $*" >&2
	grep -hv '] N ' ./*.log >&2 || true
	exit 1
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# What the relay said when it was ready: \1 is its process, \2 its port.
listening() {
	sed -n "s/.*socat\[\([0-9]*\)\].* listening on .*:\([0-9]*\)$/$1/p" \
	    collector.log
}

cp "$top/t/sample/telescope.pcap" .
cp -R "$top/conf.sample" .

cat <<'END'

D4: a capture on its way from a sensor to a collector

  telescope.pcap -> d4 -> socat == TLS => socat -> d4-recv -> received.pcap
END

step '1. Certificates: an authority, and the collector certified by it'
run 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=D4 demo" -days 2 -keyout ca.key -out ca.crt' \
    2>openssl.log || give_up 'no certificate authority'
run 'openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout server.key -out server.csr' \
    2>openssl.log || give_up 'no certificate request'
run 'openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key \
    -CAcreateserial -copy_extensions copy -days 2 -out server.crt' \
    2>openssl.log || give_up 'no certificate'

step '2. Configuration: a directory each, a value per file, and one new key'
run 'cp -R conf.sample sensor; mv sensor/recv collector'
run 'openssl rand -hex 32 | tee sensor/key > collector/key'
run 'chmod 600 sensor/key collector/key'
run_and_tell 'd4 -n -c sensor' 2>check.log || give_up 'configuration at fault'

step '3. The collector waits for a sensor (port 0 is any free one)'
run 'socat -d -d -u OPENSSL-LISTEN:0,bind=127.0.0.1,accept-timeout=20,\
cert=server.crt,key=server.key,verify=0 - |
    d4-recv -v -c collector > received.pcap &' 2>collector.log
recv=$!
port=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
	port=$(listening '\2')
	[ -z "$port" ] || break
	sleep 0.2
done
[ -n "$port" ] || give_up 'the collector does not listen'
relay=$(listening '\1')
echo "     It is port $port."

step '4. The sensor sends, and only to a collector that the authority certified'
start=$(now_ms)
run "d4 -v -c sensor < telescope.pcap |
    socat - OPENSSL-CONNECT:localhost:$port,pf=ip4,cafile=ca.crt,verify=1" \
    2>sensor.log || give_up 'the sensor cannot send'
wait "$recv" || give_up 'the collector refused the stream'
relay=
took=$(($(now_ms) - start))
indent < sensor.log
grep '^d4-recv: ' collector.log | indent

step '5. What came out is what went in'
run 'sha256sum telescope.pcap received.pcap'
cmp telescope.pcap received.pcap || give_up 'the captures differ'
run_and_tell 'tcpdump -n -r received.pcap | head -n 6 | cut -c 1-74' \
    2>tcpdump.log

step '6. A stream sealed with another key: refused, and not one byte comes out'
run 'cp -R sensor stranger; openssl rand -hex 32 > stranger/key'
run 'd4 -c stranger < telescope.pcap > forged.d4' \
    2>sensor.log || give_up 'the stranger cannot send'
status=0
run 'd4-recv -c collector < forged.d4 > forged.pcap' \
    2>refusal.log || status=$?
indent < refusal.log
[ "$status" -eq 1 ] || give_up "d4-recv ended with $status, not with 1"
[ ! -s forged.pcap ] || give_up 'unverified bytes came out'

packets=$(tcpdump -n -r received.pcap 2>tcpdump.log | wc -l)
bytes=$(wc -c < received.pcap)
records=$(sed -n 's/.* \([0-9]*\) records.*/\1/p' collector.log)
cat <<END

Done: $packets packets, $bytes bytes, $records records, each authenticated,
in $took ms with the TLS handshake.  To read on: man -l man/d4.7
END
