#!/bin/sh
# unibus blob: a file goes out and comes back, in rooms of every kind; what is refused says why.
set -u
. "$(dirname "$0")/../harness/cli.sh"
. tests/harness/bus.sh

bus_env "$tmp/run"
bus_start
at="--identity $tmp/run/admin.json --ctrl http://127.0.0.1:$UNIBUS_HTTP_PORT --nats nats://127.0.0.1:$UNIBUS_NATS_PORT"
blob() {
	verb=$1
	shift
	# shellcheck disable=SC2086
	"$build/unibus" blob "$verb" "$@" $at
}
here() {
	(cd "$tmp/here" && blob "$@")
}
# The rest with standard input from file $1.
fed() {
	file=$1
	shift
	"$@" <"$file"
}
room() {
	# shellcheck disable=SC2086
	"$build/unibus" room create "$@" $at >/dev/null
}
# The text of the next message of room $1 goes to $tmp/message, while the rest is run.
with_message() {
	# shellcheck disable=SC2086
	"$build/unibus" tail "$1" --count 1 --for 20s --json $at >"$tmp/tailed" 2>"$tmp/tail" </dev/null &
	tail=$!
	until grep -q listening "$tmp/tail"; do
		kill -0 "$tail" || break
	done
	shift
	"$@"
	wait "$tail"
	node -e 'process.stdout.write(JSON.parse(require("fs").readFileSync(0, "utf8")).text)' \
		<"$tmp/tailed" >"$tmp/message"
}

mkdir "$tmp/files" "$tmp/here"
head -c 300000 /dev/urandom >"$tmp/files/report.bin"
printf 'hidden' >"$tmp/files/.profile"

room room.kept --persist
room room.passing
room room.plain --plain
runs "a file is sent" 0 '^[A-Za-z0-9_-]{22}$' blob put room.kept "$tmp/files/report.bin"
ref=$(cat "$tmp/.out")
runs "and fetched by the message's reference" 0 '^got$' here get room.kept "$ref" --out got
holds "it is the same" cmp "$tmp/files/report.bin" "$tmp/here/got"
runs "without --out it gets its sender's name" 0 '^report.bin$' here get room.kept "$ref"
holds "that is the same, too" cmp "$tmp/files/report.bin" "$tmp/here/report.bin"
runs "as JSON" 0 '"size":300000' blob get room.kept "$ref" --out "$tmp/here/json" --json
runs "no bar where nobody looks" 0 '^[^#]*$' blob get room.kept "$ref" --out "$tmp/here/quiet"
runs "what is there is not overwritten" 1 'there is a file of that name already' \
	blob get room.kept "$ref" --out "$tmp/here/got"
runs "an unknown reference" 1 'has no message' blob get room.kept AAAAAAAAAAAAAAAAAAAAAA --out "$tmp/here/none"
holds "makes no file" [ ! -e "$tmp/here/none" ]

runs "a hidden file is sent" 0 '' blob put room.kept "$tmp/files/.profile"
ref=$(cat "$tmp/.out")
runs "and comes back under another name" 0 '^_.profile$' here get room.kept "$ref"

for r in room.passing room.plain; do
	with_message "$r" blob put "$r" "$tmp/files/report.bin" >"$tmp/ref"
	runs "$r: the message on standard input will do" 0 '' \
		fed "$tmp/message" blob get "$r" - --out "$tmp/here/$r"
	holds "$r: it is the same" cmp "$tmp/files/report.bin" "$tmp/here/$r"
	runs "$r: a reference is not enough" 1 'standard input' blob get "$r" AAAAAAAAAAAAAAAAAAAAAA
done
runs "a message that names no file" 1 'names no file' blob get room.passing -

runs "standard input needs a name" 1 'give one with --name' blob put room.kept -
runs "and with one is sent" 0 '' fed "$tmp/files/.profile" blob put room.kept - \
	--name hello.txt --type text/plain
runs "a file that is not there" 1 'not sent' blob put room.kept "$tmp/files/missing"
runs "a name that is a path" 1 'not sent' blob put room.kept "$tmp/files/report.bin" --name ../x
head -c 17000000 /dev/zero >"$tmp/files/large"
runs "a file that is too large" 1 'larger' blob put room.kept "$tmp/files/large"
runs "no arguments" 2 'usage' blob put
runs "an unknown verb" 2 '' blob peek room.kept x

# With a terminal on stderr there is a bar.
if command -v script >/dev/null; then
	script -qec "'$build/unibus' blob put room.kept '$tmp/files/report.bin' $at" "$tmp/typed" >/dev/null </dev/null
	holds "on a terminal there is a bar" grep -q '\[##*\] 100 %' "$tmp/typed"
else
	echo "skip on a terminal there is a bar: script(1) is missing"
fi
kill -TERM "$up"
wait "$up"
