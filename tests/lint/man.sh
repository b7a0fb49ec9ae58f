#!/bin/sh
# Man pages: clean mdoc; commands and options exactly as --help has them, with their defaults and
# environment; every public function in one page, with the header's prototype; every outcome listed.
set -u
cd "$(dirname "$0")/../.."
build=${UNIBUS_BUILD:-$PWD/build/release}
man=libunibus/man
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
PATH="$build:$PATH"

verdict() {
	if [ -n "$2" ]; then
		echo "$2" | sed 's/^/  /'
		echo "not ok man: $1"
	else
		echo "ok man: $1"
	fi
}
# Prints how two lists differ, nothing when they do not.
differ() {
	diff "$1" "$2" | sed -n "s/^< /only in $3: /p; s/^> /only in $4: /p"
}

verdict "mandoc -T lint has nothing to say" "$(for f in "$man"/*.[138]; do
	mandoc -T lint "$f" 2>&1 | grep -v 'referenced manual not found'
done)"
awk '/^\.Nm unibus_/ && FILENAME ~ /3$/ { print $2, 3 }' "$man"/*.3 >"$tmp/names"
for f in "$man"/*.[138]; do echo "$f" | sed 's#.*/\(.*\)\.\(.\)$#\1 \2#'; done >>"$tmp/names"
verdict "pages named by SEE ALSO are there" "$(
	sed -n 's/^\.Xr \([^ ]* [0-9]\).*/\1/p' "$man"/*.[138] | sort -u | grep -vxFf "$tmp/names")"

# What a page lists: "COMMAND<tab>OPTION VALUE", COMMAND empty for options common to all, and
# "COMMAND ARGUMENTS<tab>" for a command itself, in the spelling of --help.
listed() {
	awk '
		function bare(s) {
			gsub(/Op Ar [^ ]+/, "[&]", s)
			gsub(/\[Op Ar /, "[", s)
			gsub(/(^| )(Cm|Ar|Ns) /, " ", s)
			gsub(/ \| /, "|", s)
			gsub(/  +/, " ", s)
			sub(/^ /, "", s)
			return s
		}
		/^\.Sh / { section = $0; cmd = ""; depth = 0 }
		/^\.Bl / { depth++ }
		/^\.El/ { depth-- }
		section ~ /COMMANDS/ && depth == 1 && /^\.It Cm / {
			cmd = bare(substr($0, 5))
			print cmd "\t"
			next
		}
		section ~ /COMMANDS|OPTIONS/ && /^\.It Fl -/ {
			s = substr($0, 9)
			sub(/ Ar /, " ", s)
			print cmd "\t--" s
		}' "$1"
}
# What --help of a command lists: "OPTION VALUE" a line.
helped() {
	"$@" --help | sed -n 's/^  \(--[a-z-]*\( [^ ][^ ]*\)\{0,1\}\)\(  .*\)\{0,1\}$/\1/p'
}
# page PAGE PROGRAM: the options of "PROGRAM COMMAND" for each line "COMMAND<tab>COMMAND ARGUMENTS" of
# standard input are those of the command's entry and of the common ones.
page() {
	listed "$man/$1" >"$tmp/listed"
	sed -n 's/^\t//p' "$tmp/listed" | sort >"$tmp/common"
	while IFS="$(printf '\t')" read -r cmd usage; do
		helped $2 $cmd | sort >"$tmp/help"
		awk -F '\t' -v c="$usage" '$1 == c && $2 != "" { print $2 }' "$tmp/listed" | sort >"$tmp/entry"
		[ -z "$cmd" ] || grep -qxF "$usage$(printf '\t')" "$tmp/listed" || echo "no entry for '$usage'"
		sort -u "$tmp/entry" "$tmp/common" | comm -23 "$tmp/help" - | sed "s/^/$cmd: not in the page: /"
		comm -13 "$tmp/help" "$tmp/entry" | sed "s/^/$cmd: not in --help: /"
		cat "$tmp/help" >>"$tmp/all_help"
		$2 $cmd --help >>"$tmp/all_text"
		echo "$usage" >>"$tmp/all_cmds"
	done
	sort -o "$tmp/all_cmds" "$tmp/all_cmds"
	sort -u "$tmp/all_help" | comm -13 - "$tmp/common" | sed 's/^/in no --help: /'
	awk -F '\t' '$1 != "" && $2 == "" { print $1 }' "$tmp/listed" | sort |
		comm -23 - "$tmp/all_cmds" | sed 's/^/no such command: /'
	# "--NAME TEXT" of the page's entries, then of --help: what the latter says in parentheses.
	awk '/^\.(It|El|Sh|Ss)/ { name = "" } /^\.It Fl -/ { name = "-" $3 } name != "" { text[name] = text[name] " " $0 }
		END { for (n in text) print n text[n] " " }' "$man/$1" >"$tmp/texts"
	awk '/^  --/ { printf "\n" } { printf " %s", $0 } END { print "" }' "$tmp/all_text" | grep -- '^   --' | sort -u |
		while read -r name rest; do
			text=$(grep -- "^$name " "$tmp/texts")
			for word in $(echo "$rest" | sed -n 's/.*(default \([^ ;)]*\).*/\1/p') \
				$(echo "$rest" | grep -oE 'UNIBUS_[A-Z_]+'); do
				case $text in
				*"$word"*) ;;
				*) echo "$name: not in its entry: $word" ;;
				esac
			done
		done
	rm -f "$tmp"/all_*
}
for p in unibus clientcheck membershipd; do
	"$p" --help >"$tmp/$p.help" 2>&1 || verdict "$p --help works" "$(cat "$tmp/$p.help")"
done
verdict "unibus.1 is what unibus --help lists" "$(sed -n 's/^  unibus //p' "$tmp/unibus.help" | sed 's/  .*//; s/ *$//' |
	awk '{ cmd = $1; if ($2 ~ /^[a-z][a-z-]*$/) cmd = cmd " " $2; print cmd "\t" $0 }' | page unibus.1 unibus)"
verdict "clientcheck.1 is what clientcheck --help lists" "$(printf '\t\n' | page clientcheck.1 clientcheck)"
verdict "membershipd.8 is what membershipd --help lists" "$(sed -n 's/^  \([a-z-]*\)  .*/\1\t\1/p' "$tmp/membershipd.help" |
	page membershipd.8 membershipd)"

# Section 3: NAME, SYNOPSIS and a described item for each function; the prototypes compile beside the
# header, so they are the same.
awk '/^UNIBUS_API/ { text = ""; on = 1 }
	on { text = text " " $0 }
	on && /;/ { on = 0; if (match(text, /unibus_[a-z0-9_]+ *\(/)) print substr(text, RSTART, RLENGTH - 1) }' \
	libunibus/include/unibus/*.h | sort >"$tmp/declared"
awk '/^\.Sh /{ section = $2 } section == "NAME" && /^\.Nm unibus_/ { print $2 }' "$man"/*.3 | sort >"$tmp/named"
awk '/^\.Sh /{ section = $2 } section == "SYNOPSIS" && /^\.F[on] / { print $2 }' "$man"/*.3 | sort >"$tmp/shown"
awk '/^\.Sh /{ section = $2 } section == "DESCRIPTION" && /^\.It Fn / {
	for (i = 2; i < NF; i++) if ($i == "Fn") print $(i + 1) }' "$man"/*.3 | sort >"$tmp/described"
verdict "every public function has one name in section 3" "$(differ "$tmp/declared" "$tmp/named" headers NAME)"
verdict "every public function has one synopsis" "$(differ "$tmp/declared" "$tmp/shown" headers SYNOPSIS)"
verdict "every public function is described once" "$(differ "$tmp/declared" "$tmp/described" headers DESCRIPTION)"
{
	echo '#include <unibus/unibus.h>'
	awk '
		/^\.Ft / { sub(/^\.Ft /, ""); gsub(/"/, ""); type = $0 }
		/^\.Fn / && section == "SYNOPSIS" { print type " " $2 "(" $3 ");" }
		/^\.Fo / { name = $2; args = "" }
		/^\.Fa / && section == "SYNOPSIS" {
			sub(/^\.Fa "/, ""); sub(/"$/, "")
			args = args (args == "" ? "" : ", ") $0
		}
		/^\.Fc/ { print type " " name "(" args ");" }
		/^\.Sh / { section = $2 }' "$man"/*.3
} >"$tmp/prototypes.c"
verdict "the prototypes of section 3 are those of the headers" "$(
	gcc -std=c11 -Ilibunibus/include -fsyntax-only "$tmp/prototypes.c" 2>&1)"
sed -n 's/^\tX(\([A-Z0-9_]*\), .*/UNIBUS_ERR_\1/p' libunibus/include/unibus/error.h | grep -v _OK$ | sort >"$tmp/errors"
sed -n 's/^\.It Dv \(UNIBUS_ERR_[A-Z_0-9]*\)$/\1/p' "$man/unibus.3" | sort >"$tmp/listed_errors"
verdict "unibus.3 lists every outcome" "$(differ "$tmp/errors" "$tmp/listed_errors" error.h unibus.3)"
