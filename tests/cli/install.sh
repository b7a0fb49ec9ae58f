#!/bin/sh
# make install: what lies where, programs and examples that run from the installed copy, and nothing
# left by make uninstall.
set -u
cd "$(dirname "$0")/../.."
build=${UNIBUS_BUILD:-$PWD/build/release}
export PATH="$PWD/build/tools:$PATH"
unset MAKEFLAGS MFLAGS LD_LIBRARY_PATH PKG_CONFIG_PATH
export UNIBUS_STATE_DIR= UNIBUS_IDENTITY= UNIBUS_CA=
tmp=$(mktemp -d)
nats= md=
end() {
	for pid in $md $nats; do
		kill "$pid" 2>/dev/null && wait "$pid"
	done
	rm -rf "$tmp"
}
trap end EXIT
trap 'exit 1' INT TERM

# check NAME COMMAND...: the command succeeds.
check() {
	name=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		echo "ok $name"
	else
		cat "$tmp/out"
		echo "not ok $name"
	fi
}
into() {
	make --no-print-directory VARIANT="$(basename "$build")" "$@"
}
# until_true COMMAND...: waits for it, 20 s at most.
until_true() {
	i=0
	until "$@" >/dev/null 2>&1; do
		i=$((i + 1))
		[ $i -lt 400 ] || return 1
		sleep 0.05
	done
}

check "make install to a PREFIX" into install PREFIX="$tmp/opt"
version=$("$tmp/opt/bin/unibus" --version | cut -d ' ' -f 2)
for f in bin/unibus bin/clientcheck sbin/membershipd lib/libunibus.a "lib/libunibus.so.$version" \
	lib/libunibus.so.0 lib/libunibus.so lib/pkgconfig/unibus.pc include/unibus/unibus.h \
	share/man/man1/unibus.1 share/man/man1/clientcheck.1 share/man/man8/membershipd.8 \
	share/man/man3/unibus.3 share/man/man3/unibus_publish.3 \
	share/bash-completion/completions/unibus share/zsh/site-functions/_unibus; do
	check "$f is there" test -s "$tmp/opt/$f"
done
check "the file of the soname is the real one" sh -c \
	"[ \$(readlink -f '$tmp/opt/lib/libunibus.so') = \$(readlink -f '$tmp')/opt/lib/libunibus.so.$version ]"
uses() {
	ldd "$1" | grep -q "$(readlink -f "$2")/libunibus.so.0\|$2/libunibus.so.0\|/../lib/libunibus.so.0"
}
for p in unibus clientcheck; do
	check "the installed $p uses the installed library" uses "$tmp/opt/bin/$p" "$tmp/opt/lib"
	check "the installed $p runs" "$tmp/opt/bin/$p" --help
done

check "man finds a function's page" sh -c \
	"mandoc -T ascii '$tmp/opt/share/man/man3/unibus_flush.3' | grep -q 'waits until the server'"

# The example in C and in C++, with the shared library and with the static one.
export PKG_CONFIG_PATH="$tmp/opt/lib/pkgconfig"
warn="-Wall -Wextra -Wpedantic -Werror"
example=libunibus/examples/hello.c
flags=$(pkg-config --cflags --libs unibus)
check "pkg-config knows the version" pkg-config --exact-version="$version" unibus
check "the example builds in C" gcc -std=c11 $warn -o "$tmp/hello_c" $example $flags -Wl,-rpath,"$tmp/opt/lib"
check "the example builds in C++" g++ -std=c++11 $warn -o "$tmp/hello_cxx" -x c++ $example -x none $flags \
	-Wl,-rpath,"$tmp/opt/lib"
check "the example builds with the static library" gcc -std=c11 $warn -o "$tmp/hello_static" $example \
	$(pkg-config --cflags unibus) -Wl,-Bstatic $(pkg-config --libs unibus) -Wl,-Bdynamic \
	$(pkg-config --static --libs unibus | sed 's/-lunibus//')
loop=libunibus/examples/loop.c
check "the example with a loop of its own builds in C" gcc -std=gnu11 $warn -o "$tmp/loop_c" $loop $flags \
	-Wl,-rpath,"$tmp/opt/lib"
check "the example with a loop of its own builds in C++" g++ -std=gnu++11 $warn -o "$tmp/loop_cxx" -x c++ \
	$loop -x none $flags -Wl,-rpath,"$tmp/opt/lib"
check "the C example uses the installed library" uses "$tmp/hello_c" "$tmp/opt/lib"
check "the static example needs no library of ours" sh -c "! ldd '$tmp/hello_static' | grep libunibus"
for p in c cxx static; do
	check "the example ($p) says how to use it" sh -c "! '$tmp/hello_$p' 2>&1 | grep -v usage: | grep -v malformed"
done

# A bus of its own: the installed membershipd and tool, a room, and each example says hello in it.
start_bus() {
	PATH="$tmp/opt/bin:$tmp/opt/sbin:$PATH"
	export UNIBUS_IDENTITY="$tmp/admin.json" UNIBUS_STATE_DIR="$tmp/state-admin"
	unibus id new >/dev/null || return
	key=$(unibus id show --json | sed 's/.*"sign_pub":"\([0-9a-f]*\)".*/\1/')
	membershipd init --dir "$tmp/bus" >/dev/null &&
		membershipd user add --db "$tmp/unibus.db" --sign-pub "$key" --handle root --role admin || return
	mkdir "$tmp/ports" && mkfifo "$tmp/ready" || return
	nats-server -c "$tmp/bus/nats-server.conf" -p -1 --ports_file_dir "$tmp/ports" >"$tmp/nats.log" 2>&1 &
	nats=$!
	until_true sh -c "grep -q 127.0.0.1: '$tmp'/ports/*.ports" || return
	UNIBUS_NATS_URLS=$(grep -oE 'nats://127.0.0.1:[0-9]+' "$tmp"/ports/*.ports | head -n 1)
	membershipd serve --port 0 --nats-url "$UNIBUS_NATS_URLS" --keys "$tmp/bus/keys" --db "$tmp/unibus.db" \
		--ready-fd 3 3>"$tmp/ready" >"$tmp/md.log" 2>&1 &
	md=$!
	read -r line <"$tmp/ready" || return
	UNIBUS_CTRL_URLS=http://$(echo "$line" | sed 's/.*http=\([0-9.:]*\).*/\1/')
	export UNIBUS_NATS_URLS UNIBUS_CTRL_URLS
	unibus room create room.hello
}
says_hello() {
	export UNIBUS_STATE_DIR="$tmp/state-$1"
	mkfifo "$tmp/keys-$1"
	"$tmp/hello_$1" "$tmp/admin.json" room.hello <"$tmp/keys-$1" >"$tmp/said" 2>&1 &
	pid=$!
	exec 4>"$tmp/keys-$1"
	until_true grep -qx 'root: hello' "$tmp/said"
	heard=$?
	echo >&4
	exec 4>&-
	wait $pid && [ $heard -eq 0 ] && return
	cat "$tmp/said"
	return 1
}
# Says the line that it is given, hears it, and ends with its input.
loops() {
	export UNIBUS_STATE_DIR="$tmp/state-loop-$1"
	mkfifo "$tmp/lines-$1"
	"$tmp/loop_$1" "$tmp/admin.json" room.hello <"$tmp/lines-$1" >"$tmp/said" 2>&1 &
	pid=$!
	exec 4>"$tmp/lines-$1"
	echo "a line" >&4
	until_true grep -qx 'root: a line' "$tmp/said"
	heard=$?
	exec 4>&-
	wait $pid && [ $heard -eq 0 ] && return
	cat "$tmp/said"
	return 1
}
if start_bus >"$tmp/bus.log" 2>&1; then
	echo "ok a bus of installed programs starts"
	for p in c cxx static; do
		check "the example ($p) hears its own hello" says_hello $p
	done
	for p in c cxx; do
		check "the example with a loop of its own ($p) says and hears" loops $p
	done
	check "the installed clientcheck passes" clientcheck --identity-file "$tmp/admin.json"
	check "a room that is not there is an error" sh -c "! '$tmp/hello_c' '$tmp/admin.json' room.none </dev/null"
else
	cat "$tmp"/*.log
	echo "not ok a bus of installed programs starts"
fi

# A package is made elsewhere than where its files will be; both go away without a rest.
stage="DESTDIR=$tmp/stage PREFIX=/usr LIBDIR=/usr/lib/arch"
check "make install with DESTDIR and LIBDIR" into install $stage
check "the library is in LIBDIR" test -e "$tmp/stage/usr/lib/arch/libunibus.so"
check "DESTDIR is in no file" sh -c "! grep -rlF '$tmp/stage' '$tmp/stage'"
check "the staged program finds its library" "$tmp/stage/usr/bin/unibus" --version
check "the .pc file has the final place" grep -qx 'libdir=/usr/lib/arch' "$tmp/stage/usr/lib/arch/pkgconfig/unibus.pc"
echo ours >"$tmp/stage/usr/bin/other"
check "make uninstall of the staged copy" into uninstall $stage
check "make uninstall of the other" into uninstall PREFIX="$tmp/opt"
check "only the file of somebody else is left" sh -c \
	"[ \"\$(find '$tmp/stage' '$tmp/opt' ! -type d)\" = '$tmp/stage/usr/bin/other' ]"
