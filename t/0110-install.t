#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# make install puts all in its place, also where a path has a blank, and make
# uninstall removes just that.  What is set from outside is added to what the
# programs need.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

# What is built stays as it is, with whatever flags it was.
make_to() {
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$TOP" -o all \
	    DESTDIR="$TMP/a root" PREFIX=/opt/d4 "$1"
}

run make_to install
is "$status $(cat err)" '0 ' 'make install'
cd 'a root/opt/d4' || exit 1
for name in bin/d4 bin/d4-meta bin/d4-pibs bin/d4-stdout sbin/d4-admin \
    sbin/d4-recv; do
	like "$("./$name" -V)" "^${name#*/} [0-9]" "$name"
done
page() {
	[ -s "share/man/man${1##*.}/$1" ]
}
for file in "$TOP"/man/*; do
	ok "${file##*/}" page "${file##*/}"
done
is "$(grep -rl /usr/local lib share/bash-completion share/zsh)" '' \
    'units name the programs where they are'
ok 'the samples make a sensor' cp -R share/doc/d4/conf.sample "$TMP/conf"
ok 'without a uuid' test -s "$TMP/conf/key" -a ! -e "$TMP/conf/uuid"
ok 'and a collector' test -s "$TMP/conf/collector/types"
touch bin/other share/doc/d4/other
cd "$TMP" || exit 1

run make_to uninstall
is "$(cd 'a root' && find . ! -type d | sort)" './opt/d4/bin/other
./opt/d4/share/doc/d4/other' 'make uninstall leaves what is not its own'
rm 'a root/opt/d4/share/doc/d4/other'
run make_to install
run make_to uninstall
is "$status $(cat err)" '0 ' 'make uninstall'
ok 'the directory of documents goes, too' test ! -e \
    'a root/opt/d4/share/doc/d4'

# On the command line of make a variable is all that the caller says.
env -u MAKEFLAGS -u MAKELEVEL make -n -C "$TOP" CC=true CPPFLAGS=-DOURS \
    CFLAGS='-O1 -DOUR_C' LDFLAGS=-Lours LDLIBS=-lours d4/d4 \
    t/fuzz/replay-text > out 2> err
like "$(grep -m 1 -e '-o d4/main.o' out)" '-DOURS.* -O1 -DOUR_C' \
    'CPPFLAGS and CFLAGS reach the compiler'
for program in d4/d4 t/fuzz/replay-text; do
	line=$(grep -A 1 -e "-o $program " out)
	for flag in -Lours -lcrypto -lours; do
		like "$line" " $flag( |$)" "$program is linked with $flag"
	done
done
like "$line" 'wrap=malloc' 'and with what its test is about'

done_testing
