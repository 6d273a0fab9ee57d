#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The way of d4-tutorial(7), from nothing to a relay with privacy filtering:
# what the page says works, over mutual TLS, with a collector that runs.

# Checks are reached by their names, and read what others wrote before.
# shellcheck disable=SC2317,SC2094

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

ADMIN=$TOP/d4-admin/d4-admin
PORT=$(free_port)

admin() {
	run timeout 30 "$ADMIN" -c conf.recv "$@"
}

# The collector.
mkdir conf.recv
echo "127.0.0.1:$PORT" > conf.recv/source
echo ./store > conf.recv/destination
echo registration > conf.recv/mode
printf '%s\n' 1 3 > conf.recv/types
(umask 077 && "$D4" --genkey > conf.recv/key)
admin tls init 127.0.0.1 localhost
is "$status $(cat err)" '0 ' 'tls init'
is "$(stat -c %a conf.recv/rootCA.key conf.recv/server.pem | tr '\n' ' ')" \
    '600 600 ' 'keys are for their owner alone'
ok 'the certificate is good for its names' openssl verify \
    -CAfile conf.recv/rootCA.crt -purpose sslserver -verify_ip 127.0.0.1 \
    conf.recv/server.pem
admin tls init
is "$status" 1 'nothing is overwritten'
mkdir store
"$RECV" -v -c conf.recv 2> recv.log &
started
recv=$pid
ok 'the collector listens' within 10 grep -q 'listening' recv.log

# A sensor: one command here, one copy there.
admin sensor register --new -o sensor1 --type 3 --description 'web server'
uuid=$(cat out)
is "$status $(cat sensor1/uuid)" "0 $uuid" 'register --new'
is "$(cat sensor1/destination)" "127.0.0.1:$PORT" 'it knows the collector'
is "$(stat -c %a sensor1/key sensor1/client.key | tr '\n' ' ')" '600 600 ' \
    'its keys are for their owner alone'
ok 'its certificate bears the uuid' grep -q "$uuid" <(openssl x509 -noout \
    -subject -in sensor1/client.crt)
ok 'd4 takes the directory' "$D4" -n -c sensor1
admin sensor register --new -o sensor1
is "$status" 1 'a directory that is there is left alone'

admin queue add 3
queue=$(cat out)
is "$status" 0 'queue add'
sleep 1.2
mkfifo feed
"$D4" -c sensor1 < feed 2> d4.log &
started
d4=$pid
exec 9> feed
printf 'from 10.1.2.3\nfrom 10.9.9.9\n' >&9

connected() {
	"$ADMIN" -c conf.recv -j sensor list --connected > list && [ -s list ]
}
ok 'the sensor is connected' within 10 connected
like "$(cat list)" "\"uuid\":\"$uuid\",\"state\":\"registered\",\
\"connections\":1,\"types\":\[(\"3\")?\]" 'and listed'
has_items() {
	"$ADMIN" -c conf.recv -j queue show "$queue" > list &&
	    grep -q '"items":2' list
}
ok 'its lines wait in the queue' within 10 has_items
admin queue peek -n 1 "$queue"
like "$(cat out)" 'from 10\.9\.9\.9' 'peek shows the newest'
counted() {
	"$ADMIN" -c conf.recv -j stats today > list && grep -q "$uuid" list
}
ok 'the day counts it' within 10 counted
like "$(cat list)" '"type":3,"records":[1-9]' 'with its records'
admin stats top --by address
like "$(cat out)" '127\.0\.0\.1' 'and by address'
admin watch -n 2 --interval 1
like "$status $(cat out)" "^0 .*$uuid" 'watch shows the connection'
admin sensor files "$uuid"
is "$status" 0 'files of the sensor'
admin sensor monitor "$uuid" 3600
admin sensor check --nagios
like "$status $(cat out)" '^0 D4 OK - 1 monitored' 'it is not silent'

# The relay, with addresses of the network left out.
if [ -x "$TOP/d4-stdout/d4-stdout" ]; then
	conf relay type=3
	cat > relay.sh <<-EOF
	"$TOP/d4-stdout/d4-stdout" -en -d store -t 3 -u $queue |
	    sed -u 's/10\.1\.[0-9.]*/192.168.0.0/g' | "$D4" -c relay
	EOF
	run timeout 30 sh relay.sh
	conf_recv conf.other
	mv out relayed
	run "$RECV" -c conf.other < relayed
	like "$(cat out)" $'from 192\\.168\\.0\\.0\nfrom 10' 'the relay filters'
else
	skip 1 'no d4-stdout in this build'
fi

# A kick and a block act at once.
gone() {
	"$ADMIN" -c conf.recv -j sensor list --connected > list &&
	    [ ! -s list ]
}
admin sensor kick "$uuid"
begun=$SECONDS
ok 'a kick cuts the connection' within 5 gone
ok 'within two seconds' test $((SECONDS - begun)) -le 3
admin sensor block "$uuid"
is "$status" 0 'block'
admin sensor show "$uuid"
like "$(cat out)" 'state +blocked' 'show says so'
exec 9>&-
kill "$d4" 2> /dev/null
finish "$d4"

kill "$recv"
finish "$recv"
is "$status" 0 'the collector ends'

# The store is in order, and faults of it are found.
admin check
is "$status $(cat err)" '0 ' 'check'
printf '/nowhere/at/all.cap' > item
admin queue add 1
caps=$(cat out)
mkdir -p "store/queues/1/$caps/new"
cp item "store/queues/1/$caps/new/$(date +%s%N)"
chmod 644 store/registry/sensors/*/key
admin -j check
is "$status" 1 'check finds faults'
like "$(cat out)" 'missing file' 'an item whose file is gone'
like "$(cat out)" 'key","fault":"mode' 'a key that others may read'
admin check --fix
is "$status" 0 'check --fix mends them'
admin check
is "$status $(lines out)" '0 1' 'nothing is left'

# Another machine: facts and counts too.
admin export -o all.jsonl
is "$status $(stat -c %a all.jsonl)" '0 600' 'export into a new file'
like "$(cat all.jsonl)" '"kind":"facts".*"kind":"count"' 'with what was seen'
admin export -o all.jsonl
is "$status" 1 'not over one that is there'
mkdir other
run timeout 30 "$ADMIN" -d other import all.jsonl
is "$status $(cat err)" '0 ' 'import'
run timeout 30 "$ADMIN" -d other export
ok 'all is there' cmp <(sort out) <(sort all.jsonl)
run timeout 30 "$ADMIN" -d other import all.jsonl
like "$(cat err)" 'counts .* left out' 'nothing is counted twice'

# Certificates anew.
before=$(openssl x509 -noout -serial -in conf.recv/server.pem)
admin tls renew
is "$status" 0 'tls renew'
after=$(openssl x509 -noout -serial -in conf.recv/server.pem)
ok 'another certificate' test "$before" != "$after"
ok 'as good as the one before' openssl verify \
    -CAfile conf.recv/rootCA.crt -verify_ip 127.0.0.1 conf.recv/server.pem
ok 'which is kept' test -f conf.recv/server.pem.2*
admin tls renew -o sensor1 "$uuid"
is "$status" 0 "a sensor's too"
admin tls client -o sensor2 "$UUID"
is "$status $(stat -c %a sensor2/client.key)" '0 600' 'tls client'
admin mode set shared-secret
admin mode show
like "$status $(cat out)" '^0 mode +shared-secret' 'mode'
done_testing
