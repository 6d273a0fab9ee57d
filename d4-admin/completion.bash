# shellcheck shell=bash
# SPDX-License-Identifier: ISC
#
# Completion of d4-admin for bash: objects, verbs, their options and words as
# d4-admin -h has them, uuids as the registry has them, then files.

_d4_admin() {
	local cur=${COMP_WORDS[COMP_CWORD]} object='' verb='' usage words='' i
	local given=()

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-[cdip] | --login)
			if [ -z "$object" ]; then
				given+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
				i=$((i + 1))
			fi
			;;
		-*) ;;
		*)
			if [ -z "$object" ]; then
				object=${COMP_WORDS[i]}
			elif [ -z "$verb" ]; then
				verb=${COMP_WORDS[i]}
			fi
			;;
		esac
	done
	# The value of an option before the object is a file's name or so.
	[ "$i" -eq "$COMP_CWORD" ] || return 0

	usage=$("${COMP_WORDS[0]}" -h 2> /dev/null | sed -n 's/^  \([a-z]\)/\1/p')
	if [ -z "$object" ]; then
		case $cur in
		-*) words='-c -d -h -i -j -p -V -v --help --insecure-key --login'
		    words+=' --version' ;;
		*) words=$(cut -d ' ' -f 1 <<< "$usage") ;;
		esac
	elif grep -q "^$object [a-z]" <<< "$usage" && [ -z "$verb" ]; then
		words=$(sed -n "s/^$object \([a-z]*\).*/\1/p" <<< "$usage")
	else
		grep -q "^$object [a-z]" <<< "$usage" || verb=''
		usage=$(sed -n "s/^$object${verb:+ $verb} //p" <<< "$usage")
		case $cur in
		-*) words=$(grep -oE -- '--?[a-z][a-z-]*' <<< "$usage") ;;
		*)
			words=$(grep -oE '[a-z-]+' <<< "$usage" | grep -xE \
			    'registration|shared-secret|none|yes|no|add|remove')
			case " ${usage//[][\{\}]/ } " in
			*' queue '*) i=queue ;;
			*' uuid '* | *' sensor '*) i=sensor ;;
			*) i='' ;;
			esac
			[ -z "$i" ] || words+=" $("${COMP_WORDS[0]}" \
			    "${given[@]}" -j "$i" list 2> /dev/null |
			    sed -n 's/^{"[a-z]*":"\([^"]*\)".*/\1/p')"
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur" | sort -u)
}

complete -o default -F _d4_admin d4-admin
