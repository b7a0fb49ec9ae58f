#!/bin/sh
# make up: first run, what it prints works, second run, ports taken, and that one signal ends all.
set -u
. "$(dirname "$0")/../harness/cli.sh"
. tests/harness/bus.sh

bus_env "$tmp/run"

# Waits for its end; the exit code is $1.
ended_with() {
	wait "$up"
	code=$?
	[ $code -eq "$1" ] || echo "    exit code $code"
	[ $code -eq "$1" ]
}
ports_free() {
	"$build/supervise" --free "a:$UNIBUS_HTTP_PORT:A" "b:$UNIBUS_NATS_PORT:B"
}
child() {
	pgrep -P "$up" "$1"
}

bus_start
holds "the first run comes up" grep -q 'unibus is up' "$tmp/said"
holds "it says that it is the first" grep -q 'first run' "$tmp/said"
holds "one file has admin in its name" [ "$(find "$tmp/run" -name '*admin*' | wc -l)" = 1 ]
holds "it is the identity, its owner's only" [ "$(stat -c %a "$tmp/run/admin.json")" = 600 ]
holds "nothing half-made is left" [ "$(find "$tmp" -maxdepth 1 -name 'run.new*' | wc -l)" = 0 ]
grep -E '^[^ ]*/(unibus|clientcheck) ' "$tmp/said" >"$tmp/commands"
holds "four commands are shown" [ "$(wc -l <"$tmp/commands")" = 4 ]
while read -r command; do
	runs "it works: $(basename "${command%% *}") $(echo "$command" | cut -d' ' -f2-3)" 0 '' sh -c "$command"
done <"$tmp/commands"
runs "the demo room is there" 0 'room.demo' sh -c "$(grep 'room list' "$tmp/commands")"
runs "membershipd is healthy" 0 '"status":"ok"' "$build/membershipd" healthcheck --port "$UNIBUS_HTTP_PORT"
runs "a second one is refused, with the name of who is there" 1 "taken by process [0-9]+ \(membershipd\)" \
	sh deploy/up.sh
kill -TERM "$up"
holds "TERM ends it well" ended_with 0
holds "and all it started" ports_free

cp "$tmp/run/admin.json" "$tmp/before.json"
bus_start
holds "the second run comes up" grep -q 'unibus is up' "$tmp/said"
holds "it is not a first one" sh -c '! grep -q "first run" "$1"' sh "$tmp/said"
holds "with the same admin" cmp "$tmp/run/admin.json" "$tmp/before.json"
runs "and the same room" 0 'room.demo' sh -c "$(grep 'room list' "$tmp/commands")"
at="--identity $tmp/run/admin.json --ctrl http://127.0.0.1:$UNIBUS_HTTP_PORT --nats nats://127.0.0.1:$UNIBUS_NATS_PORT"
# shellcheck disable=SC2086
"$build/unibus" tail room.demo --count 1 --for 20s $at >"$tmp/tailed" 2>"$tmp/tail" </dev/null &
tail=$!
until grep -q 'listening' "$tmp/tail"; do
	kill -0 "$tail" || break
done
# shellcheck disable=SC2086
runs "a message of two lines is sent" 0 '' "$build/unibus" send room.demo "$(printf 'one\nroot  two\302\233\233')" $at
wait "$tail"
holds "and shown so that the second cannot pass for another message" grep -q '^    root  two\\xc2\\x9b\\x9b$' "$tmp/tailed"
kill -INT "$up"
holds "INT ends it, though it runs in the background" ended_with 0
holds "and all it started" ports_free

bus_start
victim=$(child nats-server)
kill -KILL "$victim"
holds "when one dies, it ends with 1" ended_with 1
holds "says which" grep -q 'nats-server was ended by signal 9' "$tmp/after"
holds "and stops the others" ports_free

bus_start
left="$(child nats-server) $(child membershipd)"
kill -KILL "$up"
wait "$up"
for p in $left; do
	tail --pid="$p" -f /dev/null
done
holds "nothing outlives a supervisor that is killed" ports_free

nats-server -a 127.0.0.1 -p "$UNIBUS_NATS_PORT" -P "$tmp/other.pid" --ports_file_dir "$tmp" >/dev/null 2>&1 &
other=$!
until [ -s "$tmp/nats-server_$other.ports" ]; do
	kill -0 "$other" || break
done
runs "a port taken by somebody else: which, by whom, what to do" 1 \
	"port $UNIBUS_NATS_PORT, which nats-server needs, is taken by process $other \(nats-server\).*UNIBUS_NATS_PORT" \
	sh deploy/up.sh
kill "$other"
wait "$other"

runs "a port that is none" 1 'UNIBUS_HTTP_PORT=99999 is not a port' env UNIBUS_HTTP_PORT=99999 sh deploy/up.sh
runs "the same port twice" 1 'must differ' env UNIBUS_HTTP_PORT="$UNIBUS_NATS_PORT" sh deploy/up.sh
mkdir "$tmp/mine"
: >"$tmp/mine/precious"
runs "a folder of somebody else's is left alone" 1 'did not make it' \
	env UNIBUS_RUN_DIR="$tmp/mine" sh deploy/up.sh
holds "with what is in it" [ -e "$tmp/mine/precious" ]

# Interrupted in the middle of the first run: nothing is there, and the next one starts afresh.
mkfifo "$tmp/first"
UNIBUS_RUN_DIR=$tmp/again sh deploy/up.sh >"$tmp/first" 2>&1 </dev/null &
up=$!
read -r line <"$tmp/first"
kill -TERM "$up"
holds "a first run that is interrupted says so" ended_with 130
holds "and leaves nothing" [ "$(find "$tmp" -maxdepth 1 -name 'again*' | wc -l)" = 0 ]
holds "running neither" ports_free
