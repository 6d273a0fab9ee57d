#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Answers of Redis that are not as they should be: to a receiver without files
# they are no reason to lose the order of things, to wait for ever, or to end.

# Checks are reached by their names.
# shellcheck disable=SC2317,SC2154

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

# fake option...: a server that is none, and a receiver with its streams there.
fake() {
	rm -f fake.log fake.port
	perl "$TOP/t/tool/redis-fake.pl" fake.log "$@" > fake.port &
	started
	fake=$pid
	within 10 [ -s fake.port ]
	port=$(free_port)
	conf_recv recv "source=tcp:127.0.0.1:$port" destination=none \
	    "registry=$TMP/registry" "queues=$TMP/queues" \
	    "stream=redis:127.0.0.1:$(cat fake.port)/0" \
	    types=$'2\n3\n254' metatypes=other
	"$RECV" -v -c recv 2> recv.err &
	started
	recv=$pid
	within 10 answers "$port"
	# It is connected: else all that it tells of sessions is told twice.
	within 10 grep -q SMEMBERS fake.log
}

end() {
	kill "$recv"
	finish "$recv"
	kill "$fake"
	wait "$fake" 2> /dev/null
}

# -- a refusal is taken up in order -------------------------------------------

# What a session is is told by scripts: open, stored, become, close.  These may
# run twice, but in their order.
names() {
	sed -n "s/^\\(!\\{0,1\\}\\)EVAL.*close(u, s, t) return.*/\\1close/p
	    s/^\\(!\\{0,1\\}\\)EVAL.*leave(u, s, '2'.*/\\1become/p
	    s/^\\(!\\{0,1\\}\\)EVAL.*'session_uuid:'.*/\\1stored/p
	    s/^\\(!\\{0,1\\}\\)EVAL.*HSET', p..'receiver:'.*/\\1open/p" fake.log |
	    tr '\n' ' '
}
closed() {
	[[ $(names) = *close* ]]
}

printf '{"type":"other"}' > meta
fake "refuse=local p, token, u, s, t = unpack(ARGV) redis.call('HSET'"
send type=2,data=@meta type=254,data=x
ok 'a session of types 2 and 254, whose first script is refused, ends' \
    within 10 closed
like "$(names)" '!open( stored| become)* open( stored)?( stored)* become( stored)* close $' \
    'all that came behind is run again, in order'
end
is "$status" 0 'it ends well'

# -- answers to nothing -------------------------------------------------------

fake extra=5
again() {
	[ "$(grep -c 'closed' fake.log)" -ge 1 ] && tail -n 1 fake.log |
	    grep -q SMEMBERS
}
ok 'more answers than were asked for: it connects again' within 20 again
cp recv.err err
is "$(grep -c 'killed by signal' recv.err)" 0 'and goes on'
ok 'with a word' grep -q 'an answer to nothing' recv.err
end
is "$status" 0 'it ends well'

# -- the script is not taken ---------------------------------------------------

# It is asked for again, though the tail was answered.
redis_begin one
receiver recv types=3 registry="$TMP/registry" queues="$TMP/queues"
recv=$pid
r ACL SETUSER default '-script|load' > check || skip_all 'an old Redis'
conf d4c type=3 "destination=tcp:127.0.0.1:$port"
seq 20000 > in
"$D4" -c d4c < in 2> err &
started
sensor=$pid
ok 'the script can not be loaded' within 10 grep -q NOPERM recv.err
sleep 0.5
r ACL SETUSER default '+script|load' > check
kill -0 "$sensor" && is "$(r EXISTS ended_session)" 0 'its sensor waits'
ends() {
	! kill -0 "$sensor"
}
ok 'it can: the sensor goes on' within 20 ends
finish "$sensor"
is "$status" 0 'and ends well'
perl "$TOP/t/tool/entries.pl" "$redis" 3 > got
ok 'all is there' cmp got in
kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'

# -- what was refused and is not there -----------------------------------------

receiver recv types=3 registry="$TMP/registry" queues="$TMP/queues"
recv=$pid
r REPLICAOF 127.0.0.1 1 > check
noise 100000 > data
send type=3,data=@data &
started
sensor=$pid
ok 'entries are refused' within 10 grep -q READONLY recv.err
# Until it has read all that was sent.
sleep 2
kill "$recv"
finish "$recv"
is "$status" 1 'with entries that are refused it does not end well'
like "$(cat recv.err)" ' 10[0-9]{4} bytes could not be handed over' \
    'and says how many bytes these are'
wait "$sensor"
done_testing
