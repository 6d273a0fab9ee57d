#!/bin/sh
# SPDX-License-Identifier: ISC
#
# usage: deps.sh package...
#
# Sees to it that Debian's packages are installed: by apt-get as root, else
# through sudo, else it names them and fails.  With all of them there it says
# nothing.  A package with "?" before it is optional: it comes along where this
# Debian has it, and its absence alone never asks for a password.

# shellcheck disable=SC2086 # lists of words throughout
set -u

say() {
	echo "deps: $*" >&2
}

needed='' optional=''
for package; do
	case $package in
	\?*) optional="$optional ${package#\?}" ;;
	*) needed="$needed $package" ;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	say "this is no Debian; what its packages hold is needed:$needed"
	exit 0
fi

have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' \
    $needed $optional 2>/dev/null | sed -n 's/ installed$//p')

missing_of() {
	for package; do
		echo "$have" | grep -qxF -e "$package" || printf ' %s' "$package"
	done
}
missing=$(missing_of $needed)
extra=$(missing_of $optional)
[ -n "$missing$extra" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif [ -z "$missing" ]; then
	exit 0
elif command -v sudo >/dev/null; then
	sudo=sudo
else
	say "missing:$missing"
	say "as root: apt-get install$missing$extra"
	exit 1
fi

known() {
	apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

if [ -n "$missing" ]; then
	say "installing$missing"
	$sudo apt-get -q update ||
	    say "apt-get update failed, trying with what is known"
fi
for package in $extra; do
	! known "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
    --no-install-recommends install $missing </dev/null || {
	say "could not be installed:$missing"
	exit 1
}
