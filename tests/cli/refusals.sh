#!/bin/sh
# membershipd serve: shapes that look safe and are not are refused with a sentence; the twin that
# differs in one thing passes check-config.
set -u
. "$(dirname "$0")/../harness/cli.sh"
md=$build/membershipd
"$md" init --dir "$tmp/bus" >/dev/null
"$md" user add --db "$tmp/u.db" --sign-pub $KEY1 --handle root --role admin >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
	-subj /CN=127.0.0.1 -keyout "$tmp/key.pem" -out "$tmp/cert.pem" 2>/dev/null
chmod 600 "$tmp/key.pem"
tls="--tls-cert $tmp/cert.pem --tls-key $tmp/key.pem"
base="--keys $tmp/bus/keys --db $tmp/u.db"

# refused NAME PATTERN ARGS...: by serve and by check-config alike.
refused() {
	name=$1 pattern=$2
	shift 2
	runs "$name" 1 "$pattern" "$md" check-config "$@"
	runs "serve: $name" 1 "$pattern" timeout 10 "$md" serve --port 0 "$@"
}
good() {
	name=$1
	shift
	runs "$name" 0 'good' "$md" check-config "$@"
}

# shellcheck disable=SC2086
{
good "the plain shape is good" $base
refused "beyond loopback without enforce" 'reachable from other hosts' $base --bind 0.0.0.0 --bus-auth soft
refused "beyond loopback without any authentication" 'reachable' $base --bind 0.0.0.0 --bus-auth off
good "beyond loopback with enforce" $base --bind 0.0.0.0
good "off on loopback" $base --bus-auth off
refused "TLS without enforce" 'looks safe and is not' $base $tls --bus-auth soft
good "TLS with enforce" $base $tls
refused "a certificate without its key" 'without --tls-key' $base --tls-cert "$tmp/cert.pem"
refused "a key without its certificate" 'without --tls-cert' $base --tls-key "$tmp/key.pem"
refused "a certificate that is not there" 'cannot be read' $base --tls-cert "$tmp/none" --tls-key "$tmp/key.pem"
chmod 640 "$tmp/key.pem"
refused "a TLS key that others can read" 'chmod 600' $base $tls
chmod 600 "$tmp/key.pem"
refused "a remote bus without TLS" 'without TLS' $base --nats-url nats://192.0.2.1:4250
refused "a remote one whose name begins like loopback" 'without TLS' $base --nats-url nats://127.bus.example:4250
refused "a remote one behind an address in brackets" 'host and port' $base --nats-url 'nats://[::1].bus.example:4250'
good "the loopback address in brackets" $base --nats-url 'nats://[::1]:4250'
refused "the second of two remote ones" 'without TLS' $base --nats-url nats://127.0.0.1:1,nats://bus.example:4250
good "a remote bus with a CA" $base --nats-url nats://192.0.2.1:4250 --ca "$tmp/cert.pem"
refused "tls:// without a CA" 'ca FILE' $base --nats-url tls://127.0.0.1:4250
refused "a CA that is none" 'ca' $base --ca "$tmp/bus/nats-server.conf"
refused "credentials in a URL" 'credentials' $base --nats-url nats://me:secret@127.0.0.1:4250
refused "a URL of another kind" 'does not begin' $base --nats-url http://127.0.0.1:4250
refused "a URL without a host" 'no host' $base --nats-url nats://:4250
refused "enforce without keys" 'needs the callout keys' --db "$tmp/u.db" --keys none
good "off without keys" --db "$tmp/u.db" --keys none --bus-auth off
refused "a key folder that is not there" 'membershipd init' --db "$tmp/u.db" --keys "$tmp/none"
chmod 755 "$tmp/bus/keys"
refused "a key folder open to others" 'chmod 700' $base
chmod 700 "$tmp/bus/keys"
chmod 644 "$tmp/bus/keys/issuer.seed"
refused "a key file open to others" 'issuer.seed' $base
chmod 600 "$tmp/bus/keys/issuer.seed"
cp "$tmp/bus/keys/sys.seed" "$tmp/kept"
echo SUAAAA >"$tmp/bus/keys/sys.seed"
refused "a key file that is corrupt" 'sys.seed' $base
cp "$tmp/bus/keys/issuer.seed" "$tmp/bus/keys/sys.seed"
refused "an account's key in a user's place" 'sys.seed' $base
cp "$tmp/kept" "$tmp/bus/keys/sys.seed"
mv "$tmp/bus/keys/callout.xkey" "$tmp/kept"
refused "a key file that is missing" 'callout.xkey' $base
mv "$tmp/kept" "$tmp/bus/keys/callout.xkey"
refused "a database that is not there" 'user add' --keys "$tmp/bus/keys" --db "$tmp/none.db"
holds "and it is not made" [ ! -e "$tmp/none.db" ]
chmod 644 "$tmp/u.db"
refused "a database open to others" 'chmod 600' $base
chmod 600 "$tmp/u.db"
good "all is well again" $base

runs "an unknown option" 2 'no-such' "$md" serve --no-such
runs "a port that is none" 2 'port' "$md" serve --port 99999
runs "a mode that is none" 2 'bus-auth' "$md" serve --bus-auth maybe
runs "an option given twice" 2 'port' "$md" serve --port 1 --port 2
runs "a session below the minimum" 2 'session-ttl' "$md" serve --session-ttl 1s
runs "the environment is read" 1 'reachable' env UNIBUS_MEMBERSHIPD_BIND=0.0.0.0 \
	UNIBUS_MEMBERSHIPD_BUS_AUTH=soft "$md" check-config $base
runs "and beaten by a flag" 0 'good' env UNIBUS_MEMBERSHIPD_BIND=0.0.0.0 \
	"$md" check-config $base --bind 127.0.0.1
runs "an unknown name there is an error for check-config" 1 'UNIBUS_MEMBERSHIPD_PRT' \
	env UNIBUS_MEMBERSHIPD_PRT=1 "$md" check-config $base
}
runs "--version names the version" 0 'membershipd [0-9]' "$md" --version
runs "--help names the commands" 0 'check-config' "$md" --help
runs "serve --help names the options" 0 'UNIBUS_MEMBERSHIPD_BUS_AUTH' "$md" serve --help
runs "an unknown command is a matter of usage" 2 'no command' "$md" dance
runs "healthcheck: nobody there" 1 'nobody' "$md" healthcheck --port 1
