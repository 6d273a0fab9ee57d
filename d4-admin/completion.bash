# shellcheck shell=bash
# SPDX-License-Identifier: ISC
#
# Completion of d4-admin for bash: objects, verbs, then files.

_d4_admin() {
	local cur=${COMP_WORDS[COMP_CWORD]} i object='' verb='' words=''

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-[cdip]) i=$((i + 1)) ;;
		-*) ;;
		*)
			if [ -z "$object" ]; then
				object=${COMP_WORDS[i]}
			else
				verb=${COMP_WORDS[i]}
			fi
			;;
		esac
	done
	case $object in
	'') words='sensor block type queue stats mode tls check export import watch' ;;
	sensor) words='list show files register approve reject remove key describe limit age monotonic monitor check kick block unblock' ;;
	block) words='list add remove' ;;
	type) words='list add remove' ;;
	queue) words='list add remove show limit describe flush peek members' ;;
	stats) words='today day sensor type top forget' ;;
	mode) words='show set' ;;
	tls) words='init client renew' ;;
	esac
	case $cur in
	-*) words='-c -d -h -i -j -p -V -v --insecure-key' ;;
	esac
	if [ -z "$verb" ] && [ "${COMP_WORDS[COMP_CWORD - 1]}" != -d ] &&
	    [ "${COMP_WORDS[COMP_CWORD - 1]}" != -c ]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	fi
}

complete -o default -F _d4_admin d4-admin
