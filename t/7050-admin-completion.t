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

zsh -fc 'zmodload zsh/zpty && zpty try true' > check 2>&1 || {
	skip 7 'no zsh, or no terminal can be had here'
	done_testing
}
mkdir functions
cp "$TOP/d4-admin/completion.zsh" functions/_d4-admin
cat > keys <<'EOS'
PS1='' fpath=(functions $fpath)
autoload -Uz compinit
compinit -u -D
bindkey '^I' complete-word
zle-line-init() { print ready > began }
zle -N zle-line-init
tell() { zle complete-word; print -r -- "$BUFFER" > got; BUFFER='' }
zle -N tell
bindkey '^T' tell
EOS
# A terminal, at which a line is typed once the editor is there and ^T tells what
# became of it.  Its shell's output is taken away all the time.
cat > terminal.zsh <<'EOS'
zmodload zsh/zpty zsh/zselect
until_there() {
	integer n
	for ((n = 0; n < 2000 * SLOW; n++)); do
		while zpty -r -t z said; do :; done
		[[ ! -s $1 ]] || return 0
		zselect -t 1
	done
	print -r -- "no $1 within $((20 * SLOW)) s: $said"
	return 1
}
zpty -b z zsh -f -i
zpty -w z '. ./keys'
until_there began && zpty -w -n z "$1"$'\C-t' && until_there got
zpty -d z
EOS

# becomes line want: what a line becomes, in a terminal of its own: a shell that
# hangs takes no other line with it, and has a second try.
becomes() {
	rm -f began got
	zsh -f terminal.zsh "$1" > zsh.out 2>&1
	[ -s got ] || {
		cat -v zsh.out >&2
		rm -f began
		zsh -f terminal.zsh "$1" > zsh.out 2>&1
	}
	is "$(sed 's/ *$//' got)" "$2" "zsh: $1"
}

becomes 'd4-admin sen' 'd4-admin sensor'
becomes 'd4-admin sensor appr' 'd4-admin sensor approve'
becomes "d4-admin -d my\\ store sensor show 0f" \
    "d4-admin -d my\\ store sensor show $UUID"
becomes "d4-admin -d my\\ store queue show ${queue:0:1}" \
    "d4-admin -d my\\ store queue show $queue"
becomes 'd4-admin mode set reg' 'd4-admin mode set registration'
becomes 'd4-admin check --' 'd4-admin check --fix'
becomes 'd4-admin -d my' 'd4-admin -d my\ store/'
done_testing
