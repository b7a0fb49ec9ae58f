#!/bin/sh
# unibus, without a bus: what a person who mistypes is told, and the exit code.
set -u
. "$(dirname "$0")/../harness/cli.sh"
u=$build/unibus
id=$tmp/me.json
runs "a new identity" 0 'sign_pub' "$u" id new --out "$id"
runs "help names a command's options" 0 'usage: unibus send ROOM' "$u" help send
runs "and those of a command of two words" 0 'usage: unibus room invite ROOM PEER' "$u" help room invite
runs "of a group it lists the commands" 0 'unibus room rekey ROOM' "$u" help room
runs "a command that is none" 2 "no command 'nope'" "$u" help nope
runs "a group's command that is none" 2 "unibus room: there is no 'nope'" "$u" room nope
runs "too few arguments" 2 'something is missing' "$u" send room.demo
runs "too many" 2 'that is too much' "$u" id new again
runs "a control plane that is no URL" 2 "ctrl takes http://HOST:PORT or https://HOST:PORT, not 'foo'" \
	"$u" whoami --identity "$id" --ctrl foo
runs "a message server that is none" 2 "nats takes nats://HOST:PORT or tls://HOST:PORT, not 'http://x'" \
	"$u" whoami --identity "$id" --nats http://x
runs "the twins: both are URLs, and nobody is there" 1 'no server could be reached' \
	"$u" whoami --identity "$id" --ctrl http://127.0.0.1:1 --nats nats://127.0.0.1:1 --state-dir "$tmp/state"
runs "a role that is none" 2 'role is member or admin' "$u" users add bob $KEY1 --role king --identity "$id"
runs "a path that is none" 2 "begins with ./." "$u" call GET server --identity "$id"
runs "an identity that is not there" 1 'make one with: unibus id new --out' "$u" id show --identity "$tmp/none.json"
printf '{}' >"$tmp/damaged.json"
chmod 600 "$tmp/damaged.json"
runs "one that is damaged" 1 'no identity file, or a damaged one' "$u" id show --identity "$tmp/damaged.json"
chmod 644 "$id"
runs "one that others can read" 1 'chmod 600' "$u" id show --identity "$id"
chmod 600 "$id"
runs "its twin" 0 'fingerprint' "$u" id show --identity "$id"
runs "a folder that is not there" 1 'is its folder there' "$u" id new --out "$tmp/none/me.json"
runs "an identity is never overwritten" 1 'never overwritten' "$u" id new --out "$id"
