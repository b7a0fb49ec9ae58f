#!/bin/sh
# The library's binary interface: what it exports is the golden list, the export map and what the
# public headers declare and describe, all the same; its soname; what the static library shows.
set -u
cd "$(dirname "$0")/../.."
build=${UNIBUS_BUILD:-$PWD/build/release}
so=$build/libunibus.so
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

same() {
	if diff -u --label "$2" --label "$3" "$4" "$5"; then
		echo "ok $1"
	else
		echo "not ok $1"
	fi
}
yes() {
	if [ -n "$2" ]; then
		echo "$2"
		echo "not ok $1"
	else
		echo "ok $1"
	fi
}

nm -D --defined-only "$so" | awk '$2 != "A" { print $2, $3 }' | sort >"$tmp/exported"
# A declaration runs from UNIBUS_API to its semicolon; it is described when a comment stands above it
# or behind it, or above the declarations that it continues without a blank line.
awk '
	/^UNIBUS_API/ { text = ""; on = 1 }
	on {
		text = text " " $0
		if (!/;/)
			next
		on = 0
		if (!match(text, /unibus_[a-z0-9_]+ *\(/))
			next
		name = substr(text, RSTART, RLENGTH - 1)
		print name > NAMES
		if (!described && !/\/\*/)
			print FILENAME ": " name > BARE
		next
	}
	/\*\/ *$/ { described = 1; next }
	!/^[ \t\/]*\*/ { described = 0 }' \
	NAMES="$tmp/declared" BARE="$tmp/bare" libunibus/include/unibus/*.h
sort -o "$tmp/declared" "$tmp/declared"
sed -n '/global:/,/local:/s/^\t\t\(.*\);$/\1/p' libunibus/libunibus.map | sort >"$tmp/map"
cut -d ' ' -f 2 "$tmp/exported" | sed 's/@.*//' >"$tmp/names"
nm --defined-only -g "$build/libunibus.a" | awk 'NF == 3 { print $3 }' | sort >"$tmp/static"

same "the exported symbols are the golden list" tests/abi/libunibus.symbols exported \
	tests/abi/libunibus.symbols "$tmp/exported"
same "the export map lists what the headers declare" headers libunibus.map "$tmp/declared" "$tmp/map"
same "every exported function is declared in a public header, and every declared one exported" \
	headers exported "$tmp/declared" "$tmp/names"
yes "every declaration is described" "$(cat "$tmp/bare" 2>/dev/null)"
yes "only unibus_ names are exported" "$(grep -v '^unibus_' "$tmp/names")"
same "the static library shows the same names" headers libunibus.a "$tmp/declared" "$tmp/static"

version=$(sed -n 's/^#define UNIBUS_VERSION "\(.*\)"/\1/p' libunibus/include/unibus/version.h)
parts=$(sed -n 's/^#define UNIBUS_VERSION_[MP][AIT].* //p' libunibus/include/unibus/version.h | paste -s -d .)
soname=$(readelf -d "$so" | sed -n 's/.*Library soname: \[\(.*\)\]/\1/p')
yes "the soname carries the major version" "$([ "$soname" = "libunibus.so.${version%%.*}" ] || echo "$soname")"
yes "the version's parts make the version" "$([ "$parts" = "$version" ] || echo "$parts, $version")"
newest=$(sed -n 's/^## \([0-9.]*\).*/\1/p' libunibus/CHANGELOG.md | head -n 1)
yes "the changelog begins with this version" "$([ "$newest" = "$version" ] || echo "$newest, $version")"
yes "no executable stack, no text relocation, all symbols bound at start" "$(
	readelf -lW "$so" | grep GNU_STACK | grep -E 'RWE'
	readelf -d "$so" | grep TEXTREL
	readelf -d "$so" | grep -q 'FLAGS.*NOW' || echo "no -z now"
)"
