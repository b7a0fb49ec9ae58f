#!/bin/sh
# A running bus on this machine: nats-server, membershipd and (when built) webgw, on loopback.
#
# Everything is kept in ./local_files/. The first run makes it: service keys, nats-server.conf, an
# admin, a demo room; in a folder beside it that gets its name when complete. Later runs use what is
# there. Ends in one supervisor: Ctrl-C, TERM or HUP stop all in order; when one dies, all stop.
#
# UNIBUS_RUN_DIR, UNIBUS_HTTP_PORT, UNIBUS_NATS_PORT and UNIBUS_WEB_PORT move it.
set -eu
cd "$(dirname "$0")/.."

b=${UNIBUS_BUILD:-build/release}
run=${UNIBUS_RUN_DIR:-local_files}
http=${UNIBUS_HTTP_PORT:-8470}
nats=${UNIBUS_NATS_PORT:-4250}
web=${UNIBUS_WEB_PORT:-8481}

fail() {
	echo "up: $*" >&2
	exit 1
}

for p in "UNIBUS_HTTP_PORT=$http" "UNIBUS_NATS_PORT=$nats" "UNIBUS_WEB_PORT=$web"; do
	case ${p#*=} in
	'' | *[!0-9]* | 0*) fail "$p is not a port number" ;;
	esac
	[ "${#p}" -le 22 ] && [ "${p#*=}" -le 65535 ] || fail "$p is not a port number"
done
[ "$http" != "$nats" ] && [ "$http" != "$web" ] && [ "$nats" != "$web" ] ||
	fail "the three ports must differ: $http, $nats, $web"
server=build/tools/nats-server
[ -x "$server" ] || server=nats-server
has_web=
[ ! -x "$b/webgw" ] || has_web=yes

"$b/supervise" --free "membershipd:$http:UNIBUS_HTTP_PORT" "nats-server:$nats:UNIBUS_NATS_PORT" \
	${has_web:+"webgw:$web:UNIBUS_WEB_PORT"}

# The two that everything needs, with their state in folder $1 and nats-server's configuration $2, and
# what else "$@" says; becomes the supervisor of all.
become_bus() {
	at=$1
	conf=$2
	shift 2
	mkdir -p "$at/logs"
	exec "$b/supervise" --logs "$at/logs" --say "$say" \
		nats-server "tcp:$nats" "$server" -c "$conf" -a 127.0.0.1 -p "$nats" \
		:: membershipd fd "$b/membershipd" serve --bind 127.0.0.1 --port "$http" \
		--nats-url "nats://127.0.0.1:$nats" --keys "$at/keys" --db "$at/unibus.db" \
		--bus-auth enforce --ready-fd 3 "$@"
}

# An identity with that file name and handle, an administrator in the database of folder $1.
new_identity() {
	"$b/unibus" id new --out "$1/$2.json" >/dev/null
	pub=$("$b/unibus" id show --identity "$1/$2.json" | sed -n 's/^sign_pub *//p')
	"$b/membershipd" user add --db "$1/unibus.db" --sign-pub "$pub" --handle "$2" --role admin \
		>/dev/null
}

# The room is made over a running bus, whose supervisor ends with that task.
first_run() {
	new='' setup=''
	trap '[ -z "$new" ] || rm -rf "$new"' EXIT
	trap '[ -z "$setup" ] || kill -TERM "$setup" 2>/dev/null || :; wait; exit 130' INT TERM HUP
	echo "up: first run, making keys, an admin and a demo room in $run"
	mkdir -p "$(dirname "$run")"
	new=$(mktemp -d "$run.new-XXXXXX")
	"$b/membershipd" init --dir "$new" --as "$absolute" --nats-port "$nats" >/dev/null
	new_identity "$new" admin
	# The configuration names the final folder, which is not there yet.
	sed "s|store_dir: .*|store_dir: \"$new/jetstream\"|" "$new/nats-server.conf" >"$new/first.conf"
	say=
	become_bus "$new" "$new/first.conf" :: demo-room exit "$b/unibus" room create room.demo \
		--identity "$new/admin.json" --state-dir "$new/state" \
		--ctrl "http://127.0.0.1:$http" --nats "nats://127.0.0.1:$nats" &
	setup=$!
	wait "$setup"
	rm -rf "$new/logs" "$new/state" "$new/first.conf"
	mv -T "$new" "$run" || fail "another run made $run meanwhile"
	trap - EXIT INT TERM HUP
}

case $run in
/*) absolute=$run ;;
*) absolute=$PWD/$run ;;
esac
if [ ! -e "$run/nats-server.conf" ]; then
	[ ! -e "$run" ] || rmdir "$run" 2>/dev/null ||
		fail "$run exists, but make up did not make it; remove it or set UNIBUS_RUN_DIR"
	first_run
fi
if [ -n "$has_web" ] && [ ! -e "$run/web.pass" ]; then
	rm -f "$run/web.json"
	new_identity "$run" web
	(umask 077 && head -c 18 /dev/urandom | base64 >"$run/web.pass")
fi

more='' seeds=''
if [ "$http" != 8470 ] || [ "$nats" != 4250 ]; then
	more=" --ctrl http://127.0.0.1:$http --nats nats://127.0.0.1:$nats"
	seeds=" --ctrl-seeds http://127.0.0.1:$http --nats-seeds nats://127.0.0.1:$nats"
fi
say="
unibus is up; Ctrl-C ends it.

  REST   http://127.0.0.1:$http
  bus    nats://127.0.0.1:$nats${has_web:+
  page   http://127.0.0.1:$web (passphrase in $run/web.pass)}
  admin  $run/admin.json
  logs   $run/logs/

To try next, in another terminal, in this folder:

  $b/unibus whoami --identity $run/admin.json$more
  $b/unibus room list --identity $run/admin.json$more
  $b/unibus send room.demo \"hello\" --identity $run/admin.json$more
  $b/clientcheck --mode golden --messages 50 --identity-file $run/admin.json$seeds
"
if [ -n "$has_web" ]; then
	become_bus "$run" "$run/nats-server.conf" :: webgw "tcp:$web" "$b/webgw" --bind 127.0.0.1 --port "$web" \
		--ctrl-url "http://127.0.0.1:$http" --nats-url "nats://127.0.0.1:$nats" \
		--identity-file "$run/web.json" --unlock-pass-file "$run/web.pass"
fi
become_bus "$run" "$run/nats-server.conf"
