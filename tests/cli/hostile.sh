#!/bin/sh
# The command line against a control plane that means ill: nothing that it says drives the terminal,
# and nothing that it does keeps a command for ever.
set -u
. "$(dirname "$0")/../harness/cli.sh"

cat >"$tmp/server.js" <<'END'
const evil = '\u001b]0;owned\u0007\u001b[2J\u009b31m\nroot';
require('http').createServer((req, res) => {
	const path = req.url.split('?')[0];
	const say = (status, v) => {
		res.writeHead(status, { 'Content-Type': 'application/json' });
		res.end(JSON.stringify(v));
	};
	req.resume();
	if (path === '/server')
		say(200, { server_id: 'AAAAAAAAAAAAAAAAAAAAAA', time: Date.now(), version: evil, handle: evil });
	else if (path.startsWith('/peers/'))
		say(req.method === 'PUT' ? 200 : 404, { error: 'none', code: 'not_found' });
	else if (path === '/users' && req.method === 'GET')
		say(200, { users: [{ handle: evil, role: evil, status: 'active', sign_pub: 7 }], next: 'a' });
	else
		say(403, { error: evil, code: 'denied' });
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
END
mkfifo "$tmp/port"
node "$tmp/server.js" >"$tmp/port" &
server=$!
trap 'kill $server; rm -rf "$tmp"' EXIT
read -r port <"$tmp/port"
"$build/unibus" id new --out "$tmp/id.json" >/dev/null
control=$(printf '[\001-\010\013-\037\177\302\233]')
# said NAME CODE ARGS...: of stdout and stderr together.
said() {
	name=$1 want=$2
	shift 2
	runs "$name" "$want" '' timeout 60 "$build/unibus" "$@" --identity "$tmp/id.json" \
		--state-dir "$tmp/state" --ctrl "http://127.0.0.1:$port"
	holds "$name: and nothing drives the terminal" sh -c '! LC_ALL=C grep -q "$1" "$2"' sh "$control" "$tmp/.out"
	holds "$name: nor stands on a line of its own" sh -c '! grep -q "^root" "$1"' sh "$tmp/.out"
}
said "whoami" 0 whoami
said "a refusal" 1 users add eve 0000000000000000000000000000000000000000000000000000000000000000
said "a refusal that the library hears" 1 room list
said "a list of users without end" 1 users list
