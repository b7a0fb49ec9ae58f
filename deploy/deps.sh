#!/bin/sh
# Installs what building, running and testing unibus needs. Idempotent.
#
# Debian packages come through the apt that this machine is configured with. nats-server is taken
# from PATH when it is new enough; otherwise Debian's package of a newer suite is downloaded with
# the same mirror and keyring and unpacked under build/tools/. Nothing of the system is replaced.
#
# Asks dpkg first: when nothing is missing it needs neither root nor a network.
#
#   deploy/deps.sh            everything that `make up` and `make test` need
#   deploy/deps.sh --check    say what is missing, change nothing; exit 1 if anything is
set -eu

cd "$(dirname "$0")/.."

PACKAGES="gcc make pkg-config git ca-certificates libc6-dev libnats-dev libsodium-dev
libmicrohttpd-dev libgnutls28-dev libssl-dev libjansson-dev libsqlite3-dev libcurl4-openssl-dev uthash-dev
libedit-dev libcmocka-dev clang libclang-rt-14-dev clang-format sqlite3 openssl curl procps mandoc g++"
NATS_MIN=2.14.3
NATS_SUITE=forky
TOOLS=build/tools

check_only=0
case "${1:-}" in
'') ;;
--check) check_only=1 ;;
-h | --help)
	sed -n '2,11s/^# \{0,1\}//p' "$0"
	exit 0
	;;
*)
	echo "deps: unknown argument '$1' (try --help)" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: this is not a Debian system, so the packages cannot be installed for you." >&2
	echo "deps: install the equivalents of these, and nats-server >= $NATS_MIN on PATH:" >&2
	echo "$PACKAGES" | fmt -w 90 >&2
	exit 1
fi

missing=
for p in $PACKAGES; do
	s=$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)
	[ "$s" = installed ] || missing="$missing $p"
done
# Any Node.js and npm will do, however they were installed; Debian's are taken otherwise.
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"

# Compares dotted versions: is $1 >= $2?
newer() {
	[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

nats_ok() {
	v=$("$1" --version 2>/dev/null | sed -n 's/^nats-server: v\{0,1\}\([0-9][0-9.]*\).*/\1/p')
	[ -n "$v" ] && newer "$v" "$NATS_MIN"
}

need_nats=1
if [ -x "$TOOLS/nats-server" ] && nats_ok "$TOOLS/nats-server"; then
	need_nats=0
elif command -v nats-server >/dev/null 2>&1 && nats_ok nats-server; then
	need_nats=0
fi

if [ $check_only = 1 ]; then
	[ -z "$missing" ] || echo "missing packages:$missing"
	[ $need_nats = 0 ] || echo "missing: nats-server >= $NATS_MIN"
	[ -z "$missing" ] && [ $need_nats = 0 ]
	exit
fi

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null 2>&1; then
		return 125
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

if [ -n "$missing" ]; then
	echo "deps: installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	install_missing() {
		as_root apt-get update -qq &&
			as_root env DEBIAN_FRONTEND=noninteractive \
				apt-get install -y -qq --no-install-recommends $missing
	}
	log=$(mktemp)
	if ! install_missing >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		echo "deps: could not install packages. Run this as root, then try again:" >&2
		echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
		exit 1
	fi
	rm -f "$log"
fi

# Where this machine's apt gets Debian's main archive, and the keyring it trusts for it.
debian_source() {
	apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(SIGNED_BY)|$(COMPONENT)|$(ORIGIN)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$4 == "main" && $5 == "Debian" && $2 !~ /(security|updates|backports)/ {
			print $1 "|" $3; exit }'
}

fetch_nats() {
	src=$(debian_source)
	if [ -z "$src" ]; then
		as_root apt-get update -qq || true
		src=$(debian_source)
	fi
	if [ -z "$src" ]; then
		echo "deps: apt knows no Debian archive to take nats-server from." >&2
		echo "deps: put a nats-server >= $NATS_MIN on PATH and try again." >&2
		exit 1
	fi
	uri=${src%%|*}
	key=${src#*|}
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work/etc/preferences.d" "$work/lists/partial" "$work/cache/archives/partial"
	: >"$work/status"
	case "$key" in
	/*) opt="[signed-by=$key]" ;;
	*) opt= ;;
	esac
	echo "deb $opt $uri $NATS_SUITE main" >"$work/etc/sources.list"
	set -- -o Dir::Etc::sourcelist="$work/etc/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root
	echo "deps: taking nats-server from Debian's $NATS_SUITE into $TOOLS/"
	if ! apt-get "$@" update -qq >"$work/log" 2>&1 ||
		! (cd "$work" && apt-get "$@" download nats-server >>"$work/log" 2>&1); then
		tail -n 20 "$work/log" >&2
		echo "deps: could not download nats-server; the lines above say why." >&2
		exit 1
	fi
	dpkg-deb -x "$work"/nats-server_*.deb "$work/root"
	bin=$(find "$work/root" -type f -name nats-server -perm -100 | head -n 1)
	if [ -z "$bin" ] || ! nats_ok "$bin"; then
		echo "deps: the nats-server of $NATS_SUITE does not run here or is too old." >&2
		exit 1
	fi
	mkdir -p "$TOOLS"
	cp "$bin" "$TOOLS/nats-server.new"
	mv "$TOOLS/nats-server.new" "$TOOLS/nats-server"
}

if [ $need_nats = 1 ]; then
	fetch_nats
fi
