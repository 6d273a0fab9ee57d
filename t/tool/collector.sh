# shellcheck shell=bash
# SPDX-License-Identifier: ISC
#
# For tests of d4-recv as a collector, which read this behind t/lib.sh.
#
#	collector name=value...	makes the configuration r with the store s;
#				source is tcp: on any port, nothing compressed
#	serve [option...]	starts it: $server, $port, its words in log
#	stop			SIGTERM; its exit status in $status
#	tell record...		sends records over TCP (t/records.pl)
#	reg verb...		asks the registry (t/tool/registry.c)
#	sensors option...	t/tool/sensors.c, at $port

SENSORS=$TOP/t/tool/sensors
REGISTRY=$TOP/t/tool/registry
STORE=$TOP/t/tool/store.pl
export SENSORS REGISTRY STORE

collector() {
	conf_recv r source=tcp:127.0.0.1:0 destination="$TMP/s" \
	    compress=none "$@"
	rm -rf s
}

# A certificate for localhost and its key in r/server.pem; source with TLS.
with_tls() {
	[ -s server.pem ] || openssl req -x509 -newkey ec -nodes -days 2 \
	    -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost \
	    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
	    -keyout key.pem -out cert.pem 2> err || return
	cat key.pem cert.pem > server.pem
	cp server.pem r/server.pem
	secrets r
	echo 127.0.0.1:0 > r/source
}

serve() {
	: > log
	"$RECV" -v -c r "$@" 2>> log &
	started
	# shellcheck disable=SC2154 # of started
	server=$pid
	within 10 grep -q 'listening on' log || {
		fail 'the collector listens' "$(cat log)"
		return 1
	}
	port=$(sed -n 's/.*listening on port //p' log | head -n 1)
}

stop() {
	kill -TERM "$server"
	finish "$server"
}

tell() {
	"$RECORDS" "$@" | socat -t 10 - "TCP:127.0.0.1:$port" > answer
}

reg() {
	"$REGISTRY" s "$@"
}

sensors() {
	"$SENSORS" "$@" "$port"
}

# Whether the log has a line that matches.
said() {
	grep -Eq -- "$1" log
}

# How many items wait in a queue: items TYPE QUEUE; and what they are.
items() {
	find "s/queues/$1/$2/new" -type f 2> /dev/null | sort
}

contents() {
	local item
	items "$1" "$2" | while read -r item; do
		cat "$item"
		echo
	done
}

# Finished files of the store.
files() {
	find s -path s/registry -prune -o -path s/queues -prune -o \
	    -path s/.open -prune -o -path s/.tail -prune -o -type f -print | sort
}

# Whether nothing is unfinished.
all_finished() {
	[ -z "$(ls s/.open)" ]
}
