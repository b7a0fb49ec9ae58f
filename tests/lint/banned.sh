#!/bin/sh
# core/banned.h: each function it bans is a compile error, and one that it does not ban is none.
set -u
cd "$(dirname "$0")/../.."
uses() {
	printf '#include "core/base.h"\nvoid *f(void);\nvoid *f(void)\n{\n\treturn (void *)&%s;\n}\n' "$1" |
		gcc -std=gnu11 -D_GNU_SOURCE -Ilibunibus -Ilibunibus/include -fsyntax-only -x c - 2>/dev/null
}
for name in $(sed -n 's/^#pragma GCC poison //p' libunibus/core/banned.h); do
	if uses "$name"; then
		echo "not ok banned $name"
	else
		echo "ok banned $name"
	fi
done
if uses strlen; then
	echo "ok banned: strlen is free"
else
	echo "not ok banned: strlen is free"
fi
