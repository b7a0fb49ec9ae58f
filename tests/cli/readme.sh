#!/bin/sh
# What the README tells a newcomer to type, typed: the commands between "Two minutes" and "In a
# program", against a bus of its own.
set -u
. "$(dirname "$0")/../harness/cli.sh"
. tests/harness/bus.sh

bus_env "$tmp/local_files"

sed -n '/^## Two minutes/,/^## In a program/p' README.md | sed -n 's/^    //p' |
	grep -vE '^(git clone|make up$)' >"$tmp/commands"
holds "the README has commands" [ "$(wc -l <"$tmp/commands")" -ge 12 ]
mkdir "$tmp/build"
ln -s "$build" "$tmp/build/release"

bus_start
export UNIBUS_CTRL_URLS="http://127.0.0.1:$UNIBUS_HTTP_PORT" UNIBUS_NATS_URLS="nats://127.0.0.1:$UNIBUS_NATS_PORT"
cd "$tmp" || exit 1
# The one that listens goes on in the background, as in a terminal of its own.
sed -E 's/^(unibus tail .*)$/\1 >tail.out 2>tail.err \&\nuntil grep -q listening tail.err; do :; done; tail=$!/' commands >script
printf 'echo "last: $?"\nkill -INT $tail\nwait $tail\n' >>script
timeout 60 sh script >out 2>&1 </dev/null
holds "Bob's message shows in the other terminal" grep -q 'hello from bob' tail.out
holds "the revocation says what it did" grep -q 'bob is revoked' out
holds "Bob is told why he is out" grep -q 'this key has been revoked' out
holds "and his message did not come" sh -c '! grep -q "still there" tail.out'
holds "clientcheck finds the deployment golden" grep -q '^GOLDEN OK: 50 of 50' out
runs "and fails for the revoked, and says why" 1 '^GOLDEN FAILED: .*this key has been revoked' \
	"$build/clientcheck" --mode golden --identity-file bob.json
holds "everything else passed" grep -q '^last: 0' out
[ "$(grep -c '^last: 0' out)" = 1 ] || sed 's/^/    /' out
kill -TERM "$up"
wait "$up"
