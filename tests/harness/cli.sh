# cli.sh: what the shell tests of our programs share. Sourced; makes a folder $tmp that goes at exit.
#
#   runs NAME CODE PATTERN COMMAND...   runs it: its exit code is CODE and its output has a line that
#                                       matches PATTERN (grep -E; '' matches all)
#   holds NAME COMMAND...               the command succeeds
#
# Output of what fails is shown.

cd "$(dirname "$0")/../.." || exit 1
build=${UNIBUS_BUILD:-$PWD/build/release}
PATH="$PWD/build/tools:$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# Nothing of the caller's environment decides.
unset UNIBUS_IDENTITY UNIBUS_CTRL_URLS UNIBUS_NATS_URLS UNIBUS_CA UNIBUS_STATE_DIR

runs() {
	name=$1 want=$2 pattern=$3
	shift 3
	"$@" >"$tmp/.out" 2>&1 </dev/null
	code=$?
	if [ $code -eq "$want" ] && { [ -z "$pattern" ] || grep -qE -- "$pattern" "$tmp/.out"; }; then
		echo "ok $name"
	else
		echo "not ok $name: exit code $code, expected $want and /$pattern/"
		sed 's/^/    /' "$tmp/.out"
	fi
}

holds() {
	name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "not ok $name"
	fi
}

# 64 hexadecimal digits: the public half of a test vector of RFC 8032, and another one.
KEY1=d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
KEY2=3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c
