#!/bin/sh
# Each command that unibus --help lists is tested in this folder: one use that succeeds and one that
# does not.
set -u
. "$(dirname "$0")/../harness/cli.sh"

# The tests of all scripts, one a line: "CODE COMMAND...".
cat tests/cli/*.sh | awk '{ if (sub(/\\$/, "")) { printf "%s ", $0; next } print }' |
	sed -nE "s/^[[:space:]]*(u|as [a-z]+|runs) (\"[^\"]*\"|'[^']*') ([0-2]) (\"[^\"]*\"|'[^']*') (.*unibus\"? )?/\3 /p" >"$tmp/tests"
"$build/unibus" --help | sed -n 's/^  unibus //p' | sed 's/  .*//' |
	awk '{ print $1 ($2 ~ /^[a-z][a-z-]*$/ ? " " $2 : "") }' >"$tmp/commands"
holds "there are commands" [ "$(wc -l <"$tmp/commands")" -ge 20 ]
while read -r command; do
	holds "$command: good use is tested" grep -qE "^0 $command( |\$)" "$tmp/tests"
	holds "$command: bad use is tested" grep -qE "^[12] $command( |\$)" "$tmp/tests"
done <"$tmp/commands"
