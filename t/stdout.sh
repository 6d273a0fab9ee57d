# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: ISC
#
# For the tests of d4-stdout, after t/lib.sh: a queue that behaves the same in
# a directory and in Redis.
#
#	backend dir|redis	from now on; an empty queue
#	push item...		items at its end
#	waiting			how many there are
#	in_hand			how many are taken and not acknowledged
#	$WHERE			the options that name the place

STDOUT=$TOP/d4-stdout/d4-stdout
Q=3d1a0a5a-2d4e-4f5c-8a55-2f2f6d0c9b11
TYPE=3
WHERE=()
export STDOUT

redis() {
	redis-cli -s "$TMP/redis" -n 2 "$@"
}

# redis_up [option...]: a server of the test's own.
redis_up() {
	redis-server --port 0 --unixsocket "$TMP/redis" --dir "$TMP" \
	    --save '' --daemonize no "$@" > redis.log 2>&1 &
	started
	redis_pid=$pid
	within 10 redis ping
}

backend() {
	backend=$1
	if [ "$1" = redis ]; then
		WHERE=(-S "$TMP/redis" -t "$TYPE" -u "$Q")
		redis del "analyzer:$TYPE:$Q" "analyzer:$TYPE:$Q:hand" \
		    > /dev/null
	else
		WHERE=(-d "$TMP/store" -t "$TYPE" -u "$Q")
		queue=$TMP/store/queues/$TYPE/$Q
		rm -rf "$queue"
		mkdir -p "$queue/new" "$queue/tmp" "$queue/hand"
	fi
}

pushed=0
push() {
	local item name
	for item; do
		if [ "$backend" = redis ]; then
			printf %s "$item" |
			    redis -x lpush "analyzer:$TYPE:$Q" > /dev/null
		else
			pushed=$((pushed + 1))
			name=$(printf '%020d-x' $pushed)
			printf %s "$item" > "$queue/tmp/$name"
			mv "$queue/tmp/$name" "$queue/new/$name"
		fi
	done
}

waiting() {
	if [ "$backend" = redis ]; then
		redis llen "analyzer:$TYPE:$Q"
	else
		find "$queue/new" -type f | wc -l | tr -d ' '
	fi
}

in_hand() {
	if [ "$backend" = redis ]; then
		redis llen "analyzer:$TYPE:$Q:hand"
	else
		find "$queue/hand" -type f | wc -l | tr -d ' '
	fi
}

# Ends a program and wants exit status 0 of it.
ends() {
	kill -TERM "$2"
	finish "$2"
	is "$status" 0 "$1"
}
