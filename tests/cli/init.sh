#!/bin/sh
# membershipd init: what it makes, that stock nats-server takes it, and that nothing is overwritten.
set -u
. "$(dirname "$0")/../harness/cli.sh"
md=$build/membershipd

runs "init makes a folder" 0 'made' "$md" init --dir "$tmp/bus"
runs "nats-server accepts the configuration" 0 'is valid' nats-server -t -c "$tmp/bus/nats-server.conf"
for f in sys.seed ctrl.seed log.seed bus.seed issuer.seed callout.xkey; do
	holds "keys/$f can be read by its owner only" [ "$(stat -c %a "$tmp/bus/keys/$f")" = 600 ]
done
holds "the folder is closed to others" [ "$(stat -c %a "$tmp/bus")" = 700 ]
holds "no seed stands in the configuration" sh -c \
	'! grep -qE "S[UAX][A-Z2-7]{56}" "$1"' sh "$tmp/bus/nats-server.conf"
conf=$tmp/bus/nats-server.conf
holds "sync_interval is always" grep -q 'sync_interval: always' "$conf"
holds "JetStream is on in CTRL and LOG only" [ "$(grep -c 'jetstream: {' "$conf")" = 2 ]
holds "no HTTP monitoring unless asked for" sh -c '! grep -q "^http:" "$1"' sh "$conf"
holds "the callout has an xkey" grep -qE 'xkey: X[A-Z2-7]{55}' "$conf"
holds "logins end in BUS" grep -q 'allowed_accounts: \[ BUS \]' "$conf"
holds "four users need no callout" [ "$(grep -cE '^[[:space:]]+U[A-Z2-7]{55}$' "$conf")" = 4 ]

cp -r "$tmp/bus" "$tmp/copy"
runs "a folder that exists is refused" 1 'left as it is' "$md" init --dir "$tmp/bus"
holds "and is unchanged" diff -r "$tmp/bus" "$tmp/copy"
holds "nothing half-made is left" [ "$(find "$tmp" -maxdepth 1 -name 'bus.new*' | wc -l)" = 0 ]
mkdir "$tmp/empty"
runs "an empty folder is filled" 0 'made' "$md" init --dir "$tmp/empty"
: >"$tmp/file"
runs "a file in the way is refused" 1 'left as it is' "$md" init --dir "$tmp/file"
runs "two runs make different keys" 1 '' cmp -s "$tmp/bus/keys/sys.seed" "$tmp/empty/keys/sys.seed"

runs "a port is taken over" 0 'made' "$md" init --dir "$tmp/port" --nats-port 14999
holds "into listen" grep -q 'listen: "127.0.0.1:14999"' "$tmp/port/nats-server.conf"
runs "monitoring can be asked for" 0 'made' "$md" init --dir "$tmp/mon" --monitor-port 18222
holds "on loopback" grep -q 'http: "127.0.0.1:18222"' "$tmp/mon/nats-server.conf"
runs "another place can be named" 0 'made' "$md" init --dir "$tmp/as" --as /srv/unibus
holds "for the store" grep -q 'store_dir: "/srv/unibus/jetstream"' "$tmp/as/nats-server.conf"
runs "quotes in a path are kept" 0 'made' "$md" init --dir "$tmp/a \"quoted\" place"
runs "and read by nats-server" 0 'is valid' nats-server -t -c "$tmp/a \"quoted\" place/nats-server.conf"

runs "no --dir is a matter of usage" 2 'dir' "$md" init
runs "an unknown option is, too" 2 'no-such' "$md" init --dir "$tmp/x" --no-such
runs "a port of words is, too" 2 'nats-port' "$md" init --dir "$tmp/x" --nats-port many
runs "half of the TLS files is refused" 1 'belong together' \
	"$md" init --dir "$tmp/x" --tls-cert "$tmp/file"
runs "beyond loopback without TLS is refused" 1 'without TLS' \
	"$md" init --dir "$tmp/x" --nats-bind 0.0.0.0
runs "and so is a name that begins like loopback" 1 'without TLS' \
	"$md" init --dir "$tmp/x" --nats-bind 127.bus.example
runs "another address of loopback is not" 0 'made' "$md" init --dir "$tmp/lo" --nats-bind 127.0.0.2
runs "a relative --as is refused" 1 'absolute' "$md" init --dir "$tmp/x" --as here
runs "control characters are refused" 1 'control characters' \
	"$md" init --dir "$tmp/x" --server-name "$(printf 'n1\n}')"
holds "no refusal made anything" [ ! -e "$tmp/x" ]
runs "a folder that cannot be made is said" 1 'No such file' "$md" init --dir "$tmp/none/there"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=n1 \
	-keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
runs "TLS files are named with their full path" 0 'made' sh -c \
	'cd "$1" && "$2" init --dir tls --tls-cert cert.pem --tls-key key.pem --tls-ca cert.pem' \
	sh "$tmp" "$md"
runs "and are valid for nats-server" 0 'is valid' nats-server -t -c "$tmp/tls/nats-server.conf"
holds "with TLS 1.2 at least" grep -q 'min_version: "1.2"' "$tmp/tls/nats-server.conf"
runs "with TLS it may listen everywhere" 0 'made' "$md" init --dir "$tmp/all" --nats-bind 0.0.0.0 \
	--tls-cert "$tmp/cert.pem" --tls-key "$tmp/key.pem" --tls-ca "$tmp/cert.pem"
runs "--help shows the options" 0 'nats-port' "$md" init --help
