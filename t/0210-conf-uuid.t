#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The sensor's uuid is made on the first run: once, whole, for its owner only.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

conf c
rm c/uuid
run "$D4" -c c < /dev/null
is "$status" 0 'the first run'
like "$(cat c/uuid)" \
    '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' \
    'makes a uuid of version 4'
is "$(stat -c %a c/uuid)" 600 'mode 0600'
is "$("$RECORDS" -d < out | cut -d ' ' -f 6)" "$(tr -d - < c/uuid)" \
    'and sends it'
cp c/uuid before
run "$D4" -c c < /dev/null
ok 'the second run keeps it' cmp c/uuid before
(umask 0; rm c/uuid; exec "$D4" -c c < /dev/null > out)
is "$(stat -c %a c/uuid)" 600 'mode 0600 with umask 0'

rm c/uuid
started=()
for ((i = 0; i < 20; i++)); do
	"$D4" -c c < /dev/null > "out.$i" &
	started+=("$!")
done
bad=0
for i in "${!started[@]}"; do
	wait "${started[i]}" || bad=$((bad + 1))
done
is "$bad" 0 'twenty first runs at once'
is "$(cat out.* | "$RECORDS" -d | cut -d ' ' -f 6 | sort -u)" \
    "$(tr -d - < c/uuid)" 'are one sensor, the one in the file'
is "$(find c -name '.*' -type f | wc -l)" 0 'and leave nothing beside it'

if [ "$(id -u)" -ne 0 ]; then
	rm c/uuid
	chmod 555 c
	refuses 'a directory that cannot be written' 2 \
	    'd4: c/uuid: cannot be made' '' "$D4" -c c < /dev/null
	chmod 755 c
elif mkdir ro && conf ro/c && rm ro/c/uuid &&
    mount -t tmpfs none ro 2> /dev/null; then
	conf ro/c && rm ro/c/uuid
	mount -o remount,ro ro
	refuses 'a directory that cannot be written' 2 \
	    'd4: ro/c/uuid: cannot be made: Read-only' '' \
	    "$D4" -c ro/c < /dev/null
	umount ro
else
	skip 1 'root may write everywhere and mount nothing here'
fi

done_testing
