# shellcheck shell=bash
# SPDX-License-Identifier: ISC
#
# Redis servers of a test's own, on a free port of the loopback, in directories
# below $TMP; read after t/lib.sh.
#
#	redis_begin dir [option...]	starts one there: $redis its port, and
#					$redis_pid
#	redis_again dir [option...]	the same on the port it had
#	r [-n DB] command...		asks it
#	worker type session file	reads a stream as d4-core's workers do
#	receiver dir [name=value...]	a d4-recv with all in that Redis, on
#					port $port; $pid

# What lib.sh and the tests have of it.
# shellcheck disable=SC2034,SC2154

command -v redis-server > /dev/null || skip_all 'redis-server is not installed'

redis_again() {
	local dir=$1
	shift
	mkdir -p "$dir"
	redis-server --port "$redis" --bind 127.0.0.1 --dir "$TMP/$dir" \
	    --save '' "$@" > "$dir.log" 2>&1 &
	started
	redis_pid=$pid
	within 20 r PING
}

redis_begin() {
	redis=$(free_port)
	redis_again "$@"
}

r() {
	redis-cli -p "$redis" "$@"
}

worker() {
	perl "$TOP/t/worker.pl" "$redis" "$@"
}

# Whether something listens there.
answers() {
	perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(
	    PeerAddr => "127.0.0.1:$ARGV[0]")' "$1"
}

receiver() {
	local dir=$1
	shift
	port=$(free_port)
	conf_recv "$dir" "source=tcp:127.0.0.1:$port" destination=none \
	    "registry=redis:127.0.0.1:$redis/1" \
	    "queues=redis:127.0.0.1:$redis/2" \
	    "stream=redis:127.0.0.1:$redis/0" "$@"
	"$RECV" -v -c "$dir" 2> "$dir.err" &
	started
	within 10 answers "$port" || return 0
}

# Sends records of t/records.pl to the receiver, and waits for the end.
send() {
	"$RECORDS" "$@" | socat -t 10 -u - "TCP:127.0.0.1:$port"
}
