#compdef d4-admin
# SPDX-License-Identifier: ISC
#
# Completion of d4-admin for zsh: objects, verbs, then files.

_d4_admin() {
	local state line words_of
	typeset -A opt_args

	_arguments -C \
	    '-c[configuration of the collector]:directory:_directories' \
	    '-d[store of the collector]:directory:_directories' \
	    '-i[Redis server]:host:_hosts' \
	    '-p[port of the Redis server]:port:' \
	    '-h[help]' '-j[a line of JSON for each row]' \
	    '-V[version]' '-v[say more]' \
	    '--insecure-key[take keys that others can read]' \
	    '1:object:(sensor block type queue stats mode tls check export import watch)' \
	    '2:verb:->verb' \
	    '*:argument:_files'
	[[ $state = verb ]] || return 0
	words_of=''
	case $line[1] in
	sensor) words_of='list show files register approve reject remove key describe limit age monotonic monitor check kick block unblock' ;;
	block) words_of='list add remove' ;;
	type) words_of='list add remove' ;;
	queue) words_of='list add remove show limit describe flush peek members' ;;
	stats) words_of='today day sensor type top forget' ;;
	mode) words_of='show set' ;;
	tls) words_of='init client renew' ;;
	*) _files; return ;;
	esac
	compadd -- ${=words_of}
}

_d4_admin "$@"
