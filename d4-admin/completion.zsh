#compdef d4-admin
# SPDX-License-Identifier: ISC
#
# Completion of d4-admin for zsh: objects, verbs, their options and words as
# d4-admin -h has them, uuids as the registry has them, then files.

_d4_admin() {
	local object='' verb='' kind='' rest i
	local -a usage given found

	for ((i = 2; i < CURRENT; i++)); do
		case ${words[i]} in
		-[cdip] | --login)
			if [[ -z $object ]]; then
				given+=("${words[i]}" "${(Q)words[i + 1]}")
				((i++))
			fi
			;;
		-*) ;;
		*)
			if [[ -z $object ]]; then
				object=${words[i]}
			elif [[ -z $verb ]]; then
				verb=${words[i]}
			fi
			;;
		esac
	done
	# The value of an option before the object is a file's name or so.
	if ((i != CURRENT)); then
		_files
		return
	fi

	usage=(${(f)"$("${words[1]}" -h 2> /dev/null |
	    sed -n 's/^  \([a-z]\)/\1/p')"})
	if [[ -z $object ]]; then
		if [[ ${words[CURRENT]} = -* ]]; then
			compadd -- -c -d -h -i -j -p -V -v --help \
			    --insecure-key --login --version
		else
			compadd -- ${(u)usage%% *}
		fi
		return
	fi
	found=(${(M)usage:#$object [a-z]*})
	if ((${#found} > 0)); then
		if [[ -z $verb ]]; then
			found=(${found#* })
			compadd -- ${found%% *}
			return
		fi
	else
		verb=''
	fi
	rest=${${(M)usage:#$object${verb:+ $verb} *}#$object${verb:+ $verb} }
	if [[ ${words[CURRENT]} = -* ]]; then
		compadd -- $(grep -oE -- '--?[a-z][a-z-]*' <<< "$rest")
		return
	fi
	found=($(grep -oE '[a-z-]+' <<< "$rest" |
	    grep -xE 'registration|shared-secret|none|yes|no|add|remove'))
	case " ${rest//[\[\]\{\}]/ } " in
	*' queue '*) kind=queue ;;
	*' uuid '* | *' sensor '*) kind=sensor ;;
	esac
	[[ -z $kind ]] || found+=($("${words[1]}" $given -j $kind list \
	    2> /dev/null | sed -n 's/^{"[a-z]*":"\([^"]*\)".*/\1/p'))
	if ((${#found} > 0)); then
		compadd -- $found
	else
		_files
	fi
}

_d4_admin "$@"
