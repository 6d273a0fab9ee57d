#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The picture of the house is true: includes point down only, each outside
# library has one door, a program links what its table says, and the library
# neither prints nor exits.

# Tables and checks are reached by their names.
# shellcheck disable=SC2034,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1

# Rooms by layer; a room stands on its own layer and those before it.
pure="bytes utf8 base64 digest sum header mac uuid type feed border table meta \
resp"
descriptors='io secret record conf clock cidr net stop confine log os notify'
services='tls cert redis queue registry gz'

# Headers of outside libraries and the room that may include them.
doors='openssl/ssl.h=tls openssl/err.h=tls,cert openssl/x509.h=tls,cert
openssl/x509v3.h=tls,cert openssl/pem.h=tls,cert openssl/bio.h=tls,cert
openssl/=mac,tls,digest,cert intel-ipsec-mb.h=mac ipsec-mb.h=mac uuid/=uuid
jansson.h=meta hiredis=redis pcap=d4-pibs zlib.h=gz isa-l=gz igzip_lib.h=gz
zstd.h=gz'

# What a program may link beside the C library.
links_d4='crypto ssl uuid IPSec_MB hiredis jansson'
links_d4_recv="$links_d4 z isal zstd"
links_d4_stdout='uuid hiredis crypto ssl z isal zstd'
links_d4_meta="$links_d4"
links_d4_pibs='pcap hiredis z isal zstd crypto ssl jansson uuid'
links_d4_admin='hiredis crypto ssl uuid jansson'

# lib/mac-lanes.c is of the room mac.
room_of() {
	local room=${1##*/}
	room=${room%.[ch]}
	echo "${room%%-*}"
}

layer_of() {
	case " $pure / $descriptors / $services " in
	*" $1 "*/*/*) echo 1 ;;
	*/*" $1 "*/*) echo 2 ;;
	*/*/*" $1 "*) echo 3 ;;
	*) echo 0 ;;
	esac
}

# The faults of a check are its output; it is right when there is none.
none() {
	local found
	found=$("$2")
	is "$found" '' "$1"
}

includes() {
	sed -n 's/^[ 	]*#[ 	]*include[ 	]*["<]\([^">]*\)[">].*/\1/p' "$1"
}

unknown_rooms() {
	local f
	for f in lib/*.[ch]; do
		[ "$(layer_of "$(room_of "$f")")" != 0 ] || echo "$f"
	done
}
none 'every room of the library has a layer' unknown_rooms

upward() {
	local f inc
	for f in lib/*.[ch]; do
		for inc in $(includes "$f" | grep '\.h$' | grep ^lib/); do
			[ "$(layer_of "$(room_of "$inc")")" -le \
			    "$(layer_of "$(room_of "$f")")" ] ||
			    echo "$f: $inc"
		done
		includes "$f" | grep '^d4' | sed "s|^|$f: |"
	done
}
none 'no room includes one above it' upward

loops() {
	local f inc
	for f in lib/*.[ch]; do
		for inc in $(includes "$f" | grep ^lib/); do
			[ "$(room_of "$inc")" = "$(room_of "$f")" ] ||
			    echo "$(room_of "$f") $(room_of "$inc")"
		done
	done | tsort 2> "$TMP/loops" > /dev/null || cat "$TMP/loops"
}
none 'no rooms include each other in a ring' loops

includes_log() {
	grep -l '"lib/log\.h"' lib/*.[ch] | grep -v '^lib/log\.c$'
}
none 'no room of the library includes log' includes_log

foreign_folders() {
	local f inc
	for f in d4*/*.[ch]; do
		for inc in $(includes "$f" | grep '/.*h$'); do
			case $inc in
			d4/* | d4-*/*)
				[ "${inc%%/*}" = "${f%%/*}" ] ||
				    echo "$f: $inc" ;;
			esac
		done
		grep -n '^#include "[^/]*"' "$f" | sed "s|^|$f:|"
	done
}
none 'programs include their own folder and the library' foreign_folders

impure() {
	local room f
	for room in $pure; do
		for f in lib/"$room".[ch] lib/"$room"-*.[ch]; do
			[ -e "$f" ] || continue
			includes "$f" | grep -x -e 'stdio\.h' -e 'unistd\.h' \
			    -e 'fcntl\.h' -e 'poll\.h' -e 'sys/socket\.h' \
			    -e 'signal\.h' -e 'pthread\.h' | sed "s|^|$f: |"
		done
	done
}
none 'pure rooms include nothing with descriptors or stdio' impure

other_doors() {
	local f inc door
	for f in lib/*.[ch] d4*/*.[ch]; do
		for inc in $(includes "$f"); do
			for door in $doors; do
				[[ $inc == ${door%=*}* ]] || continue
				case ",${door#*=}," in
				*",$(room_of "$f"),"* | *",${f%%/*},"*) ;;
				*) echo "$f: $inc" ;;
				esac
				break
			done
		done
	done
}
none 'each outside library has one door' other_doors

shown_types() {
	local f inc door
	for f in lib/*.h; do
		for inc in $(includes "$f"); do
			for door in $doors; do
				[[ $inc != ${door%=*}* ]] || echo "$f: $inc"
			done
		done
	done
}
none 'no header of ours shows one' shown_types

loud_rooms() {
	nm -A -u lib/libd4.a 2>&1 | sed 's/@.*//' |
	    grep -E ' U (_*v?printf(_chk)?|puts|putchar|perror|stdout|stderr)$'
	nm -A -u lib/libd4.a 2>&1 | sed 's/@.*//' |
	    grep -E ' U (exit|_exit|_Exit|abort|v?errx?|v?warnx?)$'
}
ok 'the library is built' test -s lib/libd4.a
none 'the library never prints and never exits' loud_rooms

# A name without d4_ is for the files of one room to share.
strays() {
	nm -A -g lib/libd4.a d4*/*.o 2> "$TMP/nm" | awk '
	    NF < 2 { next }
	    { kind = $(NF - 1); name = $NF; split($1, at, ":")
	      room = at[1] == "lib/libd4.a" ? at[2] : "program"
	      sub(/[-.].*/, "", room) }
	    kind ~ /[TDRBC]/ && room != "program" {
	      if (name !~ /^d4_[a-z0-9]+(_[a-z0-9]+)+$/) owner[name] = room }
	    kind == "U" { users[name] = users[name] " " room }
	    END { for (name in owner) {
	      n = split(users[name], by, " ")
	      for (i = 1; i <= n; i++) if (by[i] != owner[name])
		print name " of " owner[name] " is used by " by[i] } }'
}
none 'what leaves a room is named d4_room_verb' strays

extra_links() {
	local program name lib allowed
	for program in d4*/*; do
		name=${program%%/*}
		[ "$program" = "$name/$name" ] || continue
		allowed=links_${name//-/_}
		for lib in $(objdump -p "$program" |
		    sed -n 's/^ *NEEDED *lib\(.*\)\.so.*/\1/p'); do
			case " ${!allowed-} c " in
			*" $lib "*) continue ;;
			esac
			case $SANITIZE/$lib in
			?*/*san | ?*/m | ?*/gcc_s | ?*/stdc++) ;;
			*) echo "$program: lib$lib" ;;
			esac
		done
	done
}
none 'a program links what its table says' extra_links

widenings() {
	grep -nE '__attribute__ *\(\( *packed|\(u?int(16|32|64)_t \*\)' \
	    lib/*.[ch] d4*/*.[ch]
}
none 'no packed struct and no pointer cast to wider integers' widenings

done_testing
