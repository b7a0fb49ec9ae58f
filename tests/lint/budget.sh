#!/bin/sh
# Budgets: no function over 80 lines, no file over 600, internal headers up to 150, lines up to 100
# columns (a tab counts 8).
set -u
cd "$(dirname "$0")/../.."
files=$(git ls-files -co --exclude-standard '*.c' '*.h' | while read -r f; do [ -f "$f" ] && echo "$f"; done)
report() {
	if [ -n "$2" ]; then
		echo "$2" | sed 's/^/  /'
		echo "not ok budget: $1"
	else
		echo "ok budget: $1"
	fi
}
report "functions up to 80 lines" "$(for f in $files; do
	awk -v f="$f" '/^\{/ { s = NR } /^\}/ { if (s && NR - s > 80) print f ":" s ": " NR - s " lines"; s = 0 }' "$f"
done)"
report "files up to 600 lines" "$(wc -l $files | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }')"
report "internal headers up to 150 lines" "$(wc -l $(echo "$files" | grep '\.h$' | grep -v '/include/') |
	awk '$2 != "total" && $1 > 150 { print $2 ": " $1 " lines" }')"
report "lines up to 100 columns" "$(for f in $files; do
	LC_ALL=C sed 's/[\xc0-\xff][\x80-\xbf]*/x/g' "$f" | expand -t 8 | awk -v f="$f" 'length($0) > 100 { print f ":" NR ": " length($0) " columns" }'
done)"
report "every header has a Threads: line" "$(for f in $(echo "$files" | grep '\.h$'); do
	grep -q 'Threads:' "$f" || echo "$f"
done)"
