#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# SIGHUP takes a new configuration without dropping a sensor, and a bad one
# not at all; SIGTERM ends in time with what has arrived stored; SIGUSR1,
# --stats and --metrics tell; a worker that dies is started again.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

live() {
	[ "$(reg live | wc -l)" = "$1" ]
}

certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.crt" 2> err &&
	    cat "$1.key" "$1.crt"
}

served() {
	openssl s_client -connect "127.0.0.1:$port" < /dev/null 2> /dev/null |
	    openssl x509 -noout -subject 2> /dev/null
}

serves() {
	[ "$(served)" = "subject=CN = $1" ]
}

# -- a new configuration ------------------------------------------------------

collector
with_tls
serve --stats 1 --metrics metrics
"$SENSORS" -w -n 10 -b 50000 "$port" > sent 2> err &
started
waiting=$pid
ok 'sensors are there' within 10 live 10
certificate second > r/server.pem
echo 'another key' > r/key
printf '%s\n' 1 2 3 5 7 8 254 > r/types
: > log
kill -HUP "$server"
ok 'SIGHUP: taken' within 5 said '^d4-recv: r: taken$'
ok 'with the new certificate' within 5 serves second
ok 'no sensor was dropped' live 10
ok 'the new key holds' sensors -k 'another key' -i 100 -t 3
ok 'the old one does not, for the new' eval '! sensors -i 101 -t 3'
ok 'because of its HMAC' within 5 said 'HMAC does not match'
ok 'and the new types' eval "! sensors -k 'another key' -i 102 -t 6"
ok 'because of the type' within 5 said 'type not accepted'

# One that is bad leaves everything as it is.
bad() {
	local name=$1 fault=$2
	: > log
	kill -HUP "$server"
	ok "$name: an error" within 5 said "$fault"
	ok "$name: the old one stays" within 5 said \
	    '^d4-recv: r: not taken, the old configuration stays$'
	is "$(grep -c 'not taken' log)" 1 "$name: said once"
	ok "$name: no sensor was dropped" live 10
	ok "$name: sensors may come" sensors -k 'another key' -i 103 -t 3
}
echo third > r/key
echo nonsense > r/types
bad 'a bad value' 'r/types: '
printf '%s\n' 1 2 3 5 7 8 254 > r/types
echo nonsense > r/server.pem
bad 'a bad certificate' 'r/server.pem: '
certificate third > r/server.pem
mv r/source source
echo 127.0.0.1:1 > r/source
bad 'another source' 'r/source: cannot change before a new start'
mv source r/source
ok 'the certificate is the old one' serves second
mv r r.gone
bad 'none at all' '^d4-recv: r: No such file'
mv r.gone r
echo 'another key' > r/key

# -- a worker dies ------------------------------------------------------------

: > log
worker=$(pgrep -P "$server")
kill -9 "$worker"
finish "$waiting"
ok 'a worker that dies is missed' within 5 said \
    "worker $worker: killed by signal 9"
ok 'and started again, with what was reloaded' within 10 \
    sensors -k 'another key' -i 104 -t 3

# -- figures ------------------------------------------------------------------

line='^d4-recv: [0-9]+ connected, [0-9]+ strangers, [0-9]+ accepted, '
line+='[0-9]+ refused, [0-9]+ records, [0-9]+ bytes, [0-9.]+ records/s, '
line+='[0-9.]+ bytes/s, [0-9]+ files, [0-9]+ waiting, [0-9]+ items, '
line+='[0-9]+ dropped$'
: > log
ok '--stats: a line a second' within 5 eval '[ "$(lines log)" -ge 2 ]'
ok 'of figures' said "$line"
ok '--metrics: totals' grep -q '^d4_recv_records_total [0-9]' metrics
"$SENSORS" -k 'another key' -i 105 -t 3 -w -b 5000 "$port" > /dev/null &
started
of='{uuid="69000000-0000-4000-8000-000000000003",type="3"}'
ok '--metrics: each sensor' within 5 grep -q "^d4_recv_sensor_records$of 2\$" \
    metrics
echo '{"type":"fascia"}' > meta
"$RECORDS" 'key=another key,type=2,data=@meta' \
    'key=another key,type=254,data=one' > session
for _ in 1 2; do
	socat -u OPEN:session,ignoreeof "OPENSSL:127.0.0.1:$port,verify=0" &
	started
done
X='{uuid="0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35",type="254"}'
ok 'connections of one sensor and type' within 10 \
    grep -q "^d4_recv_sensor_records$X 4\$" metrics
is "$(grep -v '^#' metrics | sed 's/ .*//' | sort | uniq -d)" '' \
    'are one line, for none is there twice'
is "$(grep -v '^#' metrics | sed 's/[{ ].*//' | uniq | sort | uniq -d)" '' \
    'and those of a name stand together'
kill "$pid"
stop
is "$status" 0 'exit 0'
labels='(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})?'
is "$(grep -v '^#' metrics | grep -vE "^d4_recv_[a-z_]+$labels [0-9]+\$")" '' \
    'every line is one of Prometheus'
serve --metrics none/metrics
ok 'metrics that cannot be written are told of' within 10 said \
    '^d4-recv: none/metrics: No such file or directory$'
sleep 2
is "$(grep -c 'none/metrics: No' log)" 1 'once'
stop
serve -v
# The last of what is said at the start.
within 10 said 'HMAC by'
: > log
kill -USR1 "$server"
ok 'SIGUSR1: one line' within 5 said "$line"
is "$(wc -l < log)" 1 'no more'

# -- the end ------------------------------------------------------------------

stop
collector
with_tls
serve
"$SENSORS" -w -n 20 -b 300000 "$port" > sent &
started
sending=$pid
has_arrived() {
	[ "$(find s \( -path s/registry -o -name .tail \) -prune -o -type f \
	    -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')" -ge "$1" ]
}
ok 'sensors are there, and silent' within 30 eval \
    '[ "$(reg live | wc -l)" = 20 ] && has_arrived 6000000'
begun=$SECONDS
stop
is "$status" 0 'SIGTERM: exit 0'
ok 'in time' test $((SECONDS - begun)) -le $((5 * SLOW))
finish "$sending"
ok 'files are finished' all_finished
"$STORE" join s > kept
sort sent > sorted
ok 'with all that has arrived' cmp sorted kept
is "$(reg live | wc -l)" 0 'nobody is connected'

# Who has not ended after ten seconds is killed.
n=20
[ "$SANITIZE" != valgrind ] || n=5
serve
"$SENSORS" -f -i 200 -n $n "$port" > /dev/null 2> err &
started
sending=$pid
ok 'sensors send as fast as they can' within 10 live $n
begun=$SECONDS
stop
is "$status" 0 'SIGTERM: exit 0'
ok 'in time' test $((SECONDS - begun)) -le $((5 * SLOW))
kill "$sending"
finish "$sending"
serve
ok 'what was left is finished by the next' within 60 all_finished
is "$("$STORE" check s | grep -c ' not ')" 0 'whole, without a gap'

# A service manager tells all processes, and the parent its workers.
"$SENSORS" -w -i 300 -n 5 "$port" > sent &
started
sending=$pid
within 10 live 5
kill -TERM "$server" "$(pgrep -P "$server")"
finish "$server"
is "$status" 0 'told twice: exit 0'
is "$(grep -c 'killed' log)" 0 'no worker is killed'
finish "$sending"

done_testing
