#!/bin/sh
# Completion: what bash and zsh offer at a cursor is what --help lists, command by command.
set -u
cd "$(dirname "$0")/../.."
PATH="${UNIBUS_BUILD:=$PWD/build/release}:$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
unibus completion bash >"$tmp/unibus.bash" && unibus completion zsh >"$tmp/_unibus" || {
	echo "not ok completion scripts are printed"
	exit 1
}
: >"$tmp/a file"
mkdir "$tmp/folder"

# Prints what bash would offer for the words given, the last one being typed.
offer_bash() {
	bash -c 'cd "$1" && . ./unibus.bash && shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _unibus &&
		printf "%s\n" "${COMPREPLY[@]}"' bash "$tmp" "$@" | sort
}

# The same of zsh: compadd is made to say what it is given, in a terminal of its own.
cat >"$tmp/setup.zsh" <<'ZSH'
PS1= fpath=($PWD $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {
	local -a hits
	if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
		builtin compadd -A hits "$@"
		(( $#hits )) && print -rl -- "" "<"$^hits">"
	fi
	builtin compadd "$@"
}
said() { print "<<end>>"; exit }
comppostfuncs=(said)
bindkey "^I" complete-word
print "<<"ready">>"
ZSH
cat >"$tmp/offer.zsh" <<'ZSH'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z '. ./setup.zsh'
zpty -r -m z line '*<<ready>>*' || exit
zpty -w -n z "${(j: :)@}"$'\t'
zpty -r -m z line '*<<end>>*' || exit
print -r -- $line | tr -d '\r' | sed -n 's/^<\([^<>]*\)>$/\1/p'
ZSH
offer_zsh() {
	(cd "$tmp" && timeout 20 zsh -f offer.zsh "$@" | sort -u)
}

# expect NAME WANTED WORDS...: in both shells.
expect() {
	name=$1
	wanted=$(printf '%s\n' $2 | sort -u)
	shift 2
	for shell in $shells; do
		got=$(offer_$shell "$@" | sed '/^$/d; s/:.*//; s,/$,,')
		if [ "$got" = "$wanted" ]; then
			echo "ok $shell offers $name"
		else
			printf 'for "%s": %s\nnot: %s\n' "$*" "$got" "$wanted" | tr '\n' ' '
			printf '\nnot ok %s offers %s\n' "$shell" "$name"
		fi
	done
}
shells=bash
if command -v zsh >/dev/null; then
	shells="bash zsh"
else
	echo "skip completion in zsh: it is not installed"
fi

help=$(unibus --help | sed -n 's/^  unibus //p' | sed 's/  .*//')
# What --help lists after "unibus $1": words in lower case, up to the first placeholder.
words_after() {
	echo "$help" | awk -v g="$1" '
		g == "" { print $1 }
		g != "" && $1 == g && $2 ~ /^[a-z][a-z-]*$/ { print $2 }' | sort -u
}
options_of() {
	unibus $1 --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
}

expect "every first word" "$(words_after '')" unibus ''
expect "words that begin as typed" "room" unibus ro
for group in $(echo "$help" | awk '$2 ~ /^[a-z][a-z-]*$/ { print $1 }' | sort -u); do
	expect "every command of $group" "$(words_after "$group")" unibus "$group" ''
done
# Every command's options, by bash alone: a zsh terminal for each would take a minute.
all=$shells
shells=bash
bad=
for cmd in $(echo "$help" | awk '{ print $2 ~ /^[a-z][a-z-]*$/ ? $1 "_" $2 : $1 }'); do
	cmd=$(echo "$cmd" | tr _ ' ')
	[ "$(offer_bash unibus $cmd --)" = "$({ options_of "$cmd"; echo --help; } | sort)" ] ||
		bad="$bad '$cmd'"
done
if [ -z "$bad" ]; then
	echo "ok bash offers every option of every command"
else
	echo "not ok bash offers every option of every command:$bad"
fi
shells=$all
expect "an option's choices" "all since_join" unibus room create --history ''
expect "an option as typed" "--fingerprint" unibus room invite --fi
expect "an operand's choices" "bash zsh" unibus completion ''
expect "the choices of a third operand" "admin" unibus room role a b ad
expect "operands after an option and its value" "admin" unibus room role --timeout 5s a b ad
expect "nothing for what it cannot know" "" unibus room invite ''
expect "folders for a folder" "folder" unibus room list --state-dir fol
shells=bash
expect "choices after an equals sign" "since_join" unibus room create --history = si
[ "$(offer_bash unibus id show --identity 'a ')" = 'a file' ] && echo "ok bash offers files with blanks" ||
	echo "not ok bash offers files with blanks"

for bad in fish ''; do
	unibus completion $bad >"$tmp/out" 2>"$tmp/err"
	if [ $? -eq 2 ] && [ -s "$tmp/err" ] && [ ! -s "$tmp/out" ]; then
		echo "ok no script for '$bad'"
	else
		echo "not ok no script for '$bad'"
	fi
done
