#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-admin check finds each fault of a store, also beside others, and --fix
# mends what can be mended and nothing else.

# Checks are reached by their names; no name has a blank.
# shellcheck disable=SC2086,SC2094,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
umask 022

ADMIN=$TOP/d4-admin/d4-admin
hex=${UUID//-/}
other=1f3c2a9e5b714c8d9a647e2d1b0c9f35

admin() {
	run timeout 30 "$ADMIN" -d store "$@"
}

# finds object fault [fixed]: among the rows of the last check is this one.
finds() {
	if grep -qxF "{\"object\":\"$1\",\"fault\":\"$2\",\"fixed\":${3:-false}}" \
	    out; then
		pass "$1: $2, fixed: ${3:-false}"
	else
		fail "$1: $2, fixed: ${3:-false}" "$(cat out)"
	fi
}

# Whoever opens a queue makes what is missing in its directory.
tidy() {
	find "$@" -path '*/queues/*' -type d \
	    \( -name hand -o -name tmp -o -name new \) -empty -delete
}

# A store that is in order, with something of everything.
mkdir store
admin sensor register "$UUID" --description 'one'
printf 'its key\n' > key
run timeout 30 "$ADMIN" -d store sensor key "$UUID" --stdin < key
admin sensor limit "$UUID" 5
admin type add 1 3 ja3-jl 254
admin block add 192.0.2.0/24 "$other"
admin block add --by-uuid "$other"
admin mode set registration
admin queue add 1
caps=$(cat out)
admin queue add 3
lines=$(cat out)
admin queue add ja3-jl "$UUID"
jsons=$(cat out)
day=store/$hex/1/2026/11/28
mkdir -p "$day" store/.open store/queues/{"1/$caps","3/$lines"}/new
echo data > "$day/file.cap.gz"
printf %s "$TMP/$day/file.cap.gz" > "store/queues/1/$caps/new/1-a"
printf line > "store/queues/3/$lines/new/1-a"
chmod -R o-w store
find store/registry store/queues -type f -exec chmod 640 {} + \
    -name key -exec chmod 600 {} +
find store/registry store/queues -type d -exec chmod 750 {} +
admin -j check
is "$status $(cat out err)" '0 ' 'a store in order'
cp -a store sound

# -- what can be mended ---------------------------------------------------------

mode='mode gives others too much, or us too little'
gone='item names a missing file: /gone.cap.gz'
left='left half made by a process that died'
chmod 644 "store/registry/sensors/$hex/key"
chmod 777 store/registry/sensors
chmod 000 store/registry/stamp
chmod 666 "$day/file.cap.gz"
printf /gone.cap.gz > "store/queues/1/$caps/new/2-b"
mkdir -p "store/queues/ja3-jl/$jsons/new" "store/queues/1/$caps/tmp"
printf /gone.cap.gz > "store/queues/ja3-jl/$jsons/new/2-b"
for i in "queues/1/$caps/tmp/left" registry/.tmp/left queues/.tmp/left; do
	echo half > "store/$i"
	chmod 640 "store/$i"
	touch -d '2 hours ago' "store/$i"
done
echo half > store/registry/.tmp/young
chmod 640 store/registry/.tmp/young
mends() {
	local is=$1
	finds "store/registry/sensors/$hex/key" "$mode" "$is"
	finds store/registry/sensors "$mode" "$is"
	finds store/registry/stamp "$mode" "$is"
	finds "$day/file.cap.gz" "$mode" "$is"
	finds "$caps" "$gone" "$is"
	finds "$jsons" "$gone" "$is"
	finds "store/queues/1/$caps/tmp/left" "$left" "$is"
	finds store/registry/.tmp/left "$left" "$is"
	finds store/queues/.tmp/left "$left" "$is"
	[ "$(id -u)" != 0 ] || {
		finds "store/$hex" 'owned by another' "$is"
		finds store/registry/types/1 'owned by another' "$is"
	}
	# A key that others can read is not taken either, until that is mended.
	is "$(lines out)" \
	    "$((9 + 2 * ($(id -u) == 0) + ($(grep -c 'key: can be' out) == 1)))" \
	    'and nothing else'
}
[ "$(id -u)" != 0 ] || chown 65534 "store/$hex" store/registry/types/1
admin -j check
is "$status" 1 'faults: exit 1'
mends false
admin -j check --fix
is "$status" 0 'all are mended: exit 0'
mends true
admin -j check
is "$status $(cat out err)" '0 ' 'nothing is left'
rm store/registry/.tmp/young
tidy sound store
ok 'all else is as it was' diff -r --exclude stamp sound store

# -- what cannot ----------------------------------------------------------------

echo many > "store/registry/sensors/$hex/limit"
ln -s /etc/passwd "store/registry/sensors/$hex/mail"
mkdir store/registry/sensors/nobody "store/$hex/1/deep"
touch store/registry/types/999 store/registry/metatypes/UPPER \
    store/registry/blocks/address/foo store/registry/blocks/uuid/bar \
    store/registry/blocks/by-uuid/baz
echo open > store/registry/mode
echo soon > "store/registry/kicked/$hex"
echo garbage > "store/registry/facts/$hex.0"
mkdir store/registry/days/20261128 "store/queues/UPPER" store/queues/1/nobody
echo garbage > "store/registry/days/20261128/$hex.0"
touch "store/registry/facts/.bad-$hex.1"
echo some > "store/queues/3/$lines/max_size"
mkfifo "store/$hex/fifo"
echo part > store/.open/part
chmod 640 "store/registry/sensors/$hex/limit" store/registry/{types/999,mode} \
    store/registry/{metatypes/UPPER,blocks/address/foo,blocks/uuid/bar} \
    store/registry/{blocks/by-uuid/baz,kicked/$hex,facts/$hex.0,facts/.bad*} \
    "store/registry/days/20261128/$hex.0"
chmod 750 store/registry/{days/20261128,sensors/nobody}
printf /gone.cap.gz > "store/queues/1/$caps/new/2-b"
cp -a store damaged
unmended() {
	finds "$UUID" 'limit: is not a number'
	finds "store/registry/sensors/$hex/mail" \
	    'neither a file nor a directory'
	finds store/registry/sensors/nobody 'is not named by a uuid'
	finds 'type 999' 'is not a number of 0 to 255'
	finds 'extended type UPPER' 'is not a name of one'
	finds 'blocked address foo' 'is neither an address nor a network'
	finds 'blocked uuid bar' 'is not a uuid'
	finds 'blocked by uuid baz' 'is not a uuid'
	like "$(cat out)" "$hex.0: [^\"]*\"" 'facts that cannot be read'
	like "$(cat out)" 'days/20261128' 'counts that cannot be read'
	finds "store/registry/facts/.bad-$hex.1" \
	    'set aside by a collector, which could not read it'
	finds store/queues/UPPER 'is not named by a type'
	finds store/queues/1/nobody 'is not named by a uuid'
	finds "store/$hex/fifo" 'neither a file nor a directory'
	finds store/.open/part 'unfinished: d4-recv completes it at its start'
	like "$(cat out)" '"object":"registry","fault":"' \
	    'the registry as a whole cannot be read'
}
admin -j check
is "$status $(cat err)" '1 ' 'faults that cannot be mended: exit 1'
unmended
finds "$caps" "$gone"
admin -j check --fix
is "$status" 1 'with --fix, too'
unmended
finds "$caps" "$gone" true
admin -j check
is "$status" 1 'they stay'
is "$(grep -c 'gone.cap' out)" 0 'what could be mended is'
rm "damaged/queues/1/$caps/new/2-b"
tidy store damaged
rm -f store/registry/stamp damaged/registry/stamp store/$hex/fifo \
    damaged/$hex/fifo
ok 'and nothing else was touched' diff -r --no-dereference damaged store
for i in mode kicked/$hex blocks/address/foo blocks/uuid/bar types/999 \
    blocks/by-uuid/baz metatypes/UPPER; do
	rm "store/registry/$i"
done
admin -j check
like "$(cat out)" '"object":"registry","fault":"[^"]*max_size' \
    'once the others are mended the queue comes'

# -- by whom ----------------------------------------------------------------------

[ "$(id -u)" = 0 ] || {
	skip 1 'not the superuser'
	done_testing
}

# A second name of somebody's file, for the superuser to give away.
cp -a sound theirs
chown -R 65534:65534 theirs
echo 'of the superuser' > outside
chmod 602 outside
ln outside "theirs/$hex/link"
rm -r theirs/queues/1
run timeout 30 "$ADMIN" -d theirs -j check --fix
finds "theirs/$hex/link" 'owned by another' false
finds "theirs/$hex/link" "$mode" false
is "$status $(stat -c '%u %a' outside)" '1 0 602' 'is not given away'

# Somebody of the group, who can read most of it and mend nothing.
mkdir bin
cp "$ADMIN" bin
chmod 755 "$TMP" bin
cp -a sound other
mkdir -p other/queues/{"1/$caps","3/$lines","ja3-jl/$jsons"}/{new,hand,tmp}
chgrp -R 65534 other
chmod 750 other
chmod 700 other/registry/days "other/$hex/1/2026"
chmod 662 "other/registry/types/1"
printf /gone.cap.gz > "other/queues/1/$caps/new/2-b"
mkdir "other/$hex/1/2027"
touch "other/$hex/1/2027/file"
chmod 666 "other/$hex/1/2027/file"
for i in '' --fix; do
	run setpriv --reuid=65534 --regid=65534 --clear-groups timeout 30 \
	    bin/d4-admin -d other -j check $i
	is "$status" 1 "another${i:+ with $i}: exit 1"
	finds other/registry/types/1 "$mode"
	finds "other/$hex/1/2027/file" "$mode"
	finds "$caps" "$gone"
	like "$(cat err)" "other/registry/days: Permission denied" \
	    'what cannot be read is said'
	like "$(cat err)" "other/$hex/1/2026: Permission denied" \
	    'each of it'
done
done_testing
