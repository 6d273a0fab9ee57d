#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The way of d4-tutorial(7), from nothing to a relay with privacy filtering:
# each command of the page works as it is printed there, but for hosts, ports
# and paths, over mutual TLS, with a collector that runs.

# Checks are reached by their names, and read what others wrote before.
# shellcheck disable=SC2317,SC2094

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
command -v script > /dev/null || skip_all 'no script'

PORT=$(free_port)
queue='' uuid=''

# What stands in the page, block by block: block.1, block.2, ...
perl -e 'my ($n, $in) = (0, 0);
    while (<STDIN>) {
	if (/^\.Bd -literal/) {
	    $in = 1;
	    open STDOUT, ">", "block." . ++$n or die;
	} elsif (/^\.Ed/) {
	    $in = 0;
	} elsif ($in) {
	    s/\\e/\\/g;
	    print;
	}
    }' < "$TOP/man/d4-tutorial.7"
is "$(find . -name 'block.*' | wc -l)" 12 'each block of the page is run here'

# step n [port]: the nth block for this machine, as a script.
step() {
	sed "s/collector\.example\.org/127.0.0.1/
	    s/echo :4443/echo 127.0.0.1:${2:-$PORT}/
	    s|scp -pr \([^ ]*\) \([^ ]*\):|cp -pr \1 $TMP/\2/|
	    s|/var/log/syslog|$TMP/syslog|
	    s/QUEUE/$queue/
	    s/UUID/$uuid/" "block.$1" > "step.$1"
}

# does n name: the block succeeds, command by command, and is silent on stderr.
does() {
	step "$1"
	run timeout 60 bash -e "step.$1"
	is "$status $(cat err)" '0 ' "$2"
}

admin() {
	run timeout 30 d4-admin -c conf.recv "$@"
}

# -- installing -----------------------------------------------------------------

# It is built, and what it needs is there; what install would do is done below a
# directory, for make itself might build anew with other flags.
sed "s|^make.*|& -n DESTDIR=$TMP/root PREFIX=/usr/local|" block.1 > step.1
run env -C "$TOP" bash -e "$TMP/step.1"
is "$status" 0 'make knows what it takes'
sed -n '/^install/,/[^\\]$/p' out > step.install
run env -C "$TOP" sh -e "$TMP/step.install"
is "$status" 0 'the toolkit is installed'
PATH=$(echo "$TMP"/root/usr/local/*bin | tr ' ' :):$PATH
is "$(command -v d4-admin d4-recv d4 d4-stdout | grep -c "^$TMP")" 4 \
    'with all that is needed'

# -- the collector --------------------------------------------------------------

does 2 'a configuration'
is "$(stat -c %a conf.recv/key)" 600 'its key is for its owner alone'
step 3
head -n 1 step.3 > step.init
run bash -e step.init
is "$status $(cat err)" '0 ' 'tls init'
is "$(stat -c %a conf.recv/rootCA.key conf.recv/server.pem | tr '\n' ' ')" \
    '600 600 ' 'keys are for their owner alone'
ok 'the certificate is good for its names' openssl verify \
    -CAfile conf.recv/rootCA.crt -purpose sslserver -verify_ip 127.0.0.1 \
    conf.recv/server.pem
run bash -e step.init
is "$status" 1 'nothing is overwritten'
like "$(cat err)" 'is there already' 'it says so'

# begin step log: a collector, whose number is $pid.
begin() {
	bash -c "exec $(tail -n +2 "$1")" 2> "$2" &
	started
	ok 'the collector listens' within 10 grep -q 'listening' "$2"
}
begin step.3 recv.log
recv=$pid

# -- a sensor -------------------------------------------------------------------

does 4 'sensor register --new'
uuid=$(cat out)
is "$(cat sensor1/uuid)" "$uuid" 'it says who the sensor is'
is "$(cat sensor1/destination)" "127.0.0.1:$PORT" 'it knows the collector'
is "$(stat -c %a sensor1 sensor1/key sensor1/client.key | tr '\n' ' ')" \
    '700 600 600 ' 'its keys are for their owner alone'
ok 'its certificate bears the uuid' grep -q "$uuid" <(openssl x509 -noout \
    -subject -in sensor1/client.crt)
ok 'd4 takes the directory' d4 -n -c sensor1
run bash -e step.4
is "$status" 1 'a directory that is there is left alone'
run d4-admin -c conf.recv sensor register --new --pending
like "$(cat out)" $'\nkey +[0-9a-f]{64}\n.*\ndestination +127\\.0\\.0\\.1:'"$PORT"'
rootCA.crt
-----BEGIN' 'without one all of it is printed'
ok 'also the certificate' cmp <(sed '1,/^rootCA/d' out) conf.recv/rootCA.crt
admin sensor reject "$(sed -n 's/^uuid *//p' out)"
mkdir sensor.example.org
does 5 'a copy goes to the sensor'
rm -r sensor1
step 6
: > syslog
(cd sensor.example.org && exec setsid bash "$TMP/step.6" 2> "$TMP/d4.log") &
started
d4=$pid
printf 'from 10.1.2.3\nfrom 10.9.9.9\n' >> syslog

connected() {
	d4-admin -c conf.recv -j sensor list --connected > list && [ -s list ]
}
ok 'the sensor is connected' within 10 connected
run openssl s_client -tls1_2 -CAfile conf.recv/rootCA.crt \
    -connect "127.0.0.1:$PORT" < syslog
like "$status $(cat err)" '^1 .*alert' 'nobody is without a certificate'

# -- what arrives ---------------------------------------------------------------

counted() {
	d4-admin -c conf.recv -j stats today > list && grep -q "$uuid" list
}
ok 'the day counts it' within 10 counted
like "$(cat list)" '"type":3,"records":[1-9]' 'with its records'
step 7
is "$(grep -c watch step.7)" 1 'watch waits for a key'
terminal=yes
has_terminal || terminal=no
[ "$terminal" = yes ] || sed -i '/watch/d' step.7
# The key comes once it has shown the connection twice.
cat > twice << E
until [ "\$(grep -c "^\(.\[H.\[J\)*$uuid.* 127\.0\.0\.1 " out)" -ge 2 ]; do
	sleep 0.1
done
printf q
E
sed -i "s|.*watch.*|sh twice \| script -qec '&' /dev/null|" step.7
run timeout 30 bash -e step.7
is "$status $(cat err)" '0 ' 'what arrives is shown'
if [ "$terminal" = yes ]; then
	like "$(grep -c "^\(.\[H.\[J\)*$uuid.* 127\.0\.0\.1 " out)" '^[23]$' \
	    'watch shows the connection, twice'
else
	skip 1 'no terminal can be had here'
fi
like "$(cat out)" "$uuid +registered +1 +3 " 'the list shows the sensor'
like "$(cat out)" "$uuid +3 +[1-9][0-9]* +[0-9.]+ k?B" 'the day its records'
step 8
head -n 1 step.8 > step.add
run bash -e step.add
queue=$(cat out)
is "$status" 0 'queue add'
step 8
tail -n +2 step.8 > step.peek
sleep 2
printf 'from 10.1.7.7\nfrom 10.8.8.8\n' >> syslog
has_items() {
	d4-admin -c conf.recv -j queue show "$queue" > list &&
	    grep -q '"items":2' list
}
ok 'its lines wait in the queue' within 10 has_items
run bash -e step.peek
like "$status $(cat out)" $'^0 .*from 10\\.8\\.8\\.8.*from 10\\.1\\.7\\.7' \
    'peek shows them, the newest first'
admin stats top --by address
like "$(cat out)" '127\.0\.0\.1' 'and by address'
admin sensor files "$uuid"
is "$status" 0 'files of the sensor'

# -- the relay ------------------------------------------------------------------

# The other collector and its sensor come about as those before.
mkdir other
port2=$(free_port)
(
	cd other || exit
	for n in 2 3 4; do
		sed -e "s/127\.0\.0\.1:$PORT/127.0.0.1:$port2/" \
		    -e 's/sensor1/relay/' -e '/d4-recv/d' "../step.$n"
	done > make.sh
	bash -e make.sh
) > out 2> err
is "$?" 0 'another collector, and the relay as its sensor'
(cd other && exec d4-recv -v -c conf.recv 2> ../other.log) &
started
other=$pid
within 10 grep -q 'listening' other.log
mv other/relay .
step 9
setsid bash step.9 2> relay.log &
started
relay=$pid
relayed() {
	find other/store -path '*/3/*' -type f -exec cat {} + |
	    grep -q 'from 10\.8\.8\.8' ||
	    { find other/store/.open -type f -exec cat {} + |
	    grep -q 'from 10\.8\.8\.8'; }
}
ok 'lines come to the other collector' within 10 relayed
kill -- "-$relay"
finish "$relay"
kill "$other"
finish "$other"
is "$(find other/store -name '*.gz' -path '*/3/*' -exec zcat {} +)" \
    $'from 192.168.0.0\nfrom 10.8.8.8' 'without the addresses of the network'

# -- day by day -----------------------------------------------------------------

does 10 'a sensor that may be silent for an hour'
like "$(cat out)" '^D4 OK - 1 monitored' 'and is not'
gone() {
	d4-admin -c conf.recv -j sensor list --connected > list &&
	    [ ! -s list ]
}
does 11 'kick and block'
ok 'the sensor is cut' within 5 gone
admin sensor show "$uuid"
like "$(cat out)" 'state +blocked' 'show says so'
kill -- "-$d4" 2> /dev/null
finish "$d4"
before=$(openssl x509 -noout -serial -in conf.recv/server.pem)
does 12 'check, export, tls renew'
is "$(stat -c %a registry.jsonl)" 600 'an export is for its owner alone'
after=$(openssl x509 -noout -serial -in conf.recv/server.pem)
ok 'another certificate' test "$before" != "$after"
ok 'as good as the one before' openssl verify \
    -CAfile conf.recv/rootCA.crt -verify_ip 127.0.0.1 conf.recv/server.pem
ok 'which is kept' test -f conf.recv/server.pem.2*
kill "$recv"
finish "$recv"
is "$status" 0 'the collector ends'

# -- beyond the page ------------------------------------------------------------

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
mkdir moved
run timeout 30 d4-admin -d moved import all.jsonl
is "$status $(cat err)" '0 ' 'import'
run timeout 30 d4-admin -d moved export
ok 'all is there' cmp <(sort out) <(sort all.jsonl)
run timeout 30 d4-admin -d moved import all.jsonl
like "$(cat err)" 'counts .* left out' 'nothing is counted twice'

# Certificates of sensors.
admin tls renew -o sensor.example.org/sensor1 "$uuid"
is "$status" 0 "a sensor's too"
admin tls client -o sensor2 "$UUID"
is "$status $(stat -c %a sensor2/client.key)" '0 600' 'tls client'
done_testing
