#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# usage: valgrind.sh test [argument ...]
#
# Runs a test, which is a script or a program, under valgrind: a program as it
# is, a script in a tree of links in which each of our programs is one that
# starts the true one under valgrind.  What that finds is said behind the test's
# own lines and makes it fail, whatever became of the program's exit status.
# What it does not know, and tests want to, is of t/fault/valgrind.c.

set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
test=$1
shift

tree=$(mktemp -d "${TMPDIR:-/tmp}/d4-valgrind.XXXXXX") || exit 1
trap 'rm -rf "$tree"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$tree/logs"
# Of programs that run as nobody, too.
chmod 755 "$tree"
chmod 1777 "$tree/logs"

# A leak is memory that nothing points to any more.
# A program that is killed would leave the pipes of vgdb behind.
valgrind=(valgrind -q --vgdb=no --leak-check=full --show-leak-kinds=definite
    --errors-for-leak-kinds=definite --error-exitcode=99 --num-callers=30
    "--suppressions=$TOP/t/valgrind.supp" "--log-file=$tree/logs/%p")

# wrap folder program: the folder as it is, but for the program.
wrap() {
	mkdir "$tree/$1"
	ln -s "$TOP/$1"/* "$tree/$1"
	rm "$tree/$1/$2"
	{
		echo '#!/bin/sh'
		printf 'exec env'
		printf " '%s'" "LD_PRELOAD=$TOP/t/fault/valgrind.so" \
		    "${valgrind[@]}" "$TOP/$1/$2"
		# shellcheck disable=SC2016 # for the script
		echo ' "$@"'
	} > "$tree/$1/$2"
	chmod +x "$tree/$1/$2"
}

# timeout [--foreground], with ten times the seconds.
wrap_timeout() {
	mkdir "$tree/slow"
	{
		echo '#!/bin/sh'
		# shellcheck disable=SC2016 # for the script
		printf '%s\n' 'case $1 in -*) how=$1; shift ;; esac' \
		    'n=$(($1 * 10))' shift \
		    "exec '$(command -v timeout)' "'$how "$n" "$@"'
	} > "$tree/slow/timeout"
	chmod +x "$tree/slow/timeout"
	PATH=$tree/slow:$PATH
}

make_tree() {
	local path name
	for path in "$TOP"/* "$TOP/.ci"; do
		name=${path##*/}
		if [ -x "$path/$name" ]; then
			wrap "$name" "$name"
		elif [ "$name" = conf.sample ]; then
			# Tests look for the files of this folder: a link has none.
			cp -R "$path" "$tree"
		else
			ln -s "$path" "$tree/$name"
		fi
	done
}

status=0
case $(head -c 2 "$test") in
'#!')
	# The engine of many lanes takes a second at each start to try itself
	# out: it is that of unit tests and of what a pipeline carries.
	case ${test##*/} in
	1*) ;;
	*) export D4_MAC=openssl ;;
	esac
	make_tree
	wrap_timeout
	D4_SHARED=$(cd "$TOP" && cd "${D4_SHARED:-../shared}" 2>/dev/null &&
	    pwd) || D4_SHARED=/nowhere
	export D4_SHARED
	"$tree/${test#"$TOP"/}" "$@" || status=$? ;;
*)
	# A child of a test ends where it is, and what its parent had is lost to
	# it; what else is found there makes its exit status another.
	"${valgrind[@]}" --child-silent-after-fork=yes \
	    --errors-for-leak-kinds=none "$test" "$@" || status=$? ;;
esac

# A line of --NUMBER-- is about valgrind itself.
found=$(cat "$tree"/logs/* 2>/dev/null | grep -v '^--[0-9]*-- ')
if [ -n "$found" ]; then
	printf '%s\n' "$found" | sed 's/^/# /'
	exit 99
fi
exit "$status"
