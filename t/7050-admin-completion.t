#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Completion of d4-admin, loaded into the shells that it is for: objects, verbs,
# options, words and uuids.

# Checks are reached by their names, and read what others read; $ in quotes is
# for others to see.
# shellcheck disable=SC2016,SC2094,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$TOP/d4-admin:$PATH
mkdir 'my store'
d4-admin -d 'my store' sensor register "$UUID"
queue=$(d4-admin -d 'my store' queue add 3)
d4-admin -h | sed -n 's/^  \([a-z][a-z]*\)\( \([a-z]*\)\)\{0,1\}.*/\1 \3/p' > verbs
is "$(cut -d ' ' -f 1 verbs | sort -u | tr '\n' ' ')" \
    'block check export import mode queue sensor stats tls type watch ' \
    'what there is to complete'

# -- bash -----------------------------------------------------------------------

# shellcheck source=d4-admin/completion.bash
. "$TOP/d4-admin/completion.bash"
is "$(complete -p d4-admin)" 'complete -o default -F _d4_admin d4-admin' \
    'bash: it is there'

# completes want word...: what the last word becomes, sorted, in a line.
completes() {
	local want=$1
	shift
	COMP_WORDS=(d4-admin "$@") COMP_CWORD=$#
	_d4_admin
	is "${COMPREPLY[*]}" "$want" "bash: d4-admin $*"
}

objects=$(cut -d ' ' -f 1 verbs | sort -u | tr '\n' ' ')
completes "${objects% }" ''
completes 'sensor stats' s
completes '--help --insecure-key --login --version -V -c -d -h -i -j -p -v' -
completes '' -c ''
completes '' -d 'my store' nothing ''
while read -r object verb; do
	[ -n "$verb" ] || continue
	completes "$(sed -n "s/^$object \($verb.*\)/\1/p" verbs | sort |
	    tr '\n' ' ' | sed 's/ $//')" "$object" "$verb"
done < verbs
completes '--pending' -d store sensor register --p
completes '--fix' check -
completes '--no-keys -o' export -
completes "$UUID" -d 'my store' sensor show ''
completes '' -d 'my store' sensor show 1
completes "$queue" -d 'my store' -j queue show ''
completes "$UUID no yes" -d 'my store' sensor monotonic ''
completes 'none registration shared-secret' mode set ''
completes 'registration' mode set r

# -- zsh ------------------------------------------------------------------------

command -v zsh > /dev/null || {
	skip 9 'no zsh here'
	done_testing
}
# What compinit finds, and a line as the editor would give it; it is answered by
# what is offered that begins as the last word, sorted, in a line, or by files.
mkdir functions
cp "$TOP/d4-admin/completion.zsh" functions/_d4-admin
cat > offers.zsh <<'EOS'
fpath=($PWD/functions $fpath)
autoload -Uz compinit
compinit -u -D
[[ $1 != -r ]] || { print -r -- $_comps[d4-admin]; exit }
offered=()
compadd() {
	while [[ ${1-} = -* ]]; do [[ $1 != -- ]] || { shift; break }; shift; done
	offered+=("$@")
}
_files() { offered+=('a file') }
words=(d4-admin "$@") CURRENT=$#words
_d4-admin
print -r -- ${(ou)${(M)offered:#(a file|${(b)words[CURRENT]}*)}}
EOS

# offers want word...: as they are typed.  zsh tells a child for which it waits
# to continue, now and then, and LeakSanitizer, that stops it to look into it,
# waits for ever then.
offers() {
	local want=$1
	local -x ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	shift
	is "$(zsh -f offers.zsh "$@" 2>&1)" "$want" "zsh: d4-admin $*"
}

offers _d4-admin -r
offers "${objects% }" ''
offers sensor sen
offers approve sensor appr
offers "$UUID" -d 'my\ store' sensor show 0f
offers "$queue" -d 'my\ store' queue show "${queue:0:1}"
offers registration mode set reg
offers --fix check --
offers 'a file' -d my
done_testing
