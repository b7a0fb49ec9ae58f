#!/bin/sh
# clang-format decides.
set -u
cd "$(dirname "$0")/../.."
files=$(git ls-files -co --exclude-standard '*.c' '*.h' | while read -r f; do [ -f "$f" ] && echo "$f"; done)
if out=$(clang-format --dry-run -Werror $files 2>&1); then
	echo "ok format"
else
	echo "$out" | grep -E 'error|warning' | head -20
	echo "not ok format (make format mends it)"
fi
