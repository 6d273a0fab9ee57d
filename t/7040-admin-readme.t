#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The quick start of README.md works as it is printed there, but for host, port
# and tcpdump: verified mutual TLS in two commands.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

PORT=$(free_port)
for name in d4 d4-admin d4-recv; do
	ln -s "$TOP/$name" .
done
# A link would be copied as one, and the uuid made in the samples.
cp -R "$TOP/conf.sample" .

# readme from to: its commands from the first that matches to one that does.
readme() {
	awk -v from="^    $1" -v to="^    $2" '
	    !on && !done && $0 ~ from { on = 1 }
	    on { gsub(/collector\.example\.org/, "localhost"); print }
	    on && $0 ~ to { on = 0; done = 1 }' "$TOP/README.md" |
	    sed 's/^    //'
}

# The first way: no network at all.
readme 'cp -R conf.sample conf$' 'echo hello' > pipe.sh
is "$(lines pipe.sh)" 2 'a pipe'
run bash -e pipe.sh
is "$status $(cat out)" '0 hello' 'a line goes through it'
ok 'the samples have no uuid: each sensor makes its own' test ! -e \
    "$TOP/conf.sample/uuid" -a -s conf/uuid

readme 'cp -R conf.sample.collector' 'd4-recv' > collector.sh
is "$(lines collector.sh)" 5 'a collector'
sed -i -e "1a echo 127.0.0.1:$PORT > conf.recv/source" \
    -e '/^d4-recv/d' collector.sh
run bash -e collector.sh
uuid=$(cat out)
is "$status $(cat err)" '0 ' 'two commands make all certificates'
is "$(cat sensor1/uuid sensor1/destination)" "$uuid
localhost:$PORT" 'the sensor knows who it is, and the collector'
readme d4-recv/d4-recv 'd4-recv' > recv.sh
bash -c "exec $(cat recv.sh)" 2> recv.log &
started
recv=$pid
ok 'the collector listens' within 10 grep -q 'listening' recv.log

perl -e 'print pack("VvvlVVV", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1);
    print pack("VVVV", $_, 0, 60, 60), "x" x 60 for 1 .. 100' > sent
readme 'tcpdump -n' 'tcpdump' > sensor.sh
like "$(cat sensor.sh)" '^tcpdump .* \| d4/d4 -c sensor1$' 'a sensor'
sed -i "s|^tcpdump [^|]*|cat sent |" sensor.sh
run timeout 30 bash -e sensor.sh
is "$status $(cat err)" '0 ' 'its capture is sent'
kill "$recv"
finish "$recv"
is "$status" 0 'the collector ends'
find store -name '*.cap.gz' -exec zcat {} + > kept
ok 'the capture is kept' cmp kept sent
is "$(stat -c %a conf.recv/key conf.recv/rootCA.key conf.recv/server.pem \
    sensor1/key sensor1/client.key | sort -u)" 600 'keys are for their owner'
done_testing
