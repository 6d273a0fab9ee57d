#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Many sensors of mixed types at once over TLS: what the store keeps of each,
# its files joined by the rules of their format, is what it sent.
#
#	D4_TEST_LONG=1	200 sensors, 2 GiB; else 40 sensors, 40 MiB

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

if [ -n "${D4_TEST_LONG:-}" ]; then
	n=200 each=10737419
else
	n=40 each=1048576
fi

# keeps what name option...: all that the sensors send is in the store.
keeps() {
	local name=$1
	shift
	ok "$name: each is answered" sensors -n "$n" -b "$each" "$@"
	sort check > sent
	ok "$name: all files are finished" within 120 all_finished
	stop
	is "$status" 0 "$name: exit 0"
	"$STORE" join s > kept
	ok "$name: what was sent is kept" cmp sent kept
	is "$(lines sent)" "$n" "$name: of each"
	is "$("$STORE" check s | grep -c ' not ')" 0 "$name: in whole files"
}

collector rotate_size=700000
with_tls
serve
keeps 'TLS, rotated'
is "$("$STORE" check s | sed 's/ files, / /; s/ sessions.*//' |
    awk '{ print ($1 > $2) }')" 1 'in several files each'

# Records that end within units and lines, compressed; plain TCP.
collector compress=gz rotate_size=600000
serve
keeps 'TCP, gz' -l -r 777
is "$(files | grep -vc '\.gz$\|\.json$')" 0 'all are compressed'

# Records larger than what is read at once.
collector compress=gz
with_tls
serve
keeps 'large records' -r 1000000

done_testing
