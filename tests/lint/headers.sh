#!/bin/sh
# Every header compiles alone; the public ones in C++ too.
set -u
cd "$(dirname "$0")/../.."
inc="-D_GNU_SOURCE -Ilibunibus -Ilibunibus/include -I. $(pkg-config --cflags libsodium jansson libmicrohttpd)"
bad=
for h in $(git ls-files -co --exclude-standard '*.h'); do
	[ -f "$h" ] || continue
	out=$(echo "#include \"$h\"" | gcc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only $inc -x c - 2>&1) ||
		bad="$bad
$h alone: $out"
	case $h in
	libunibus/include/*)
		out=$(echo "#include \"$h\"" | g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $inc -x c++ - 2>&1) ||
			bad="$bad
$h in C++: $out"
		;;
	esac
done
if [ -n "$bad" ]; then
	echo "$bad"
	echo "not ok headers stand alone"
else
	echo "ok headers stand alone"
fi
