#!/bin/sh
# The unibus tool's commands that send and listen: good use, bad use, exit codes.
set -u
. "$(dirname "$0")/../harness/cli.sh"
. tests/harness/bus.sh

u() {
	name=$1 code=$2 pattern=$3
	shift 3
	runs "$name" "$code" "$pattern" unibus "$@"
}
as() {
	who=$1
	shift
	UNIBUS_IDENTITY="$tmp/$who.json" u "$@"
}
# Starts a command in the background, as another peer: who, the name of its files, what it says on
# standard error when it is ready. $pid is its number.
begin() {
	who=$1 out=$2 ready=$3
	shift 3
	rm -f "$tmp/$out.out" "$tmp/$out.err"
	UNIBUS_IDENTITY="$tmp/$who.json" "$build/unibus" "$@" >"$tmp/$out.out" 2>"$tmp/$out.err" </dev/null &
	pid=$!
	has_line "$ready" "$tmp/$out.err" || sed 's/^/    /' "$tmp/$out.err"
}
# Its exit code is $1.
ended_with() {
	wait "$pid"
	code=$?
	[ $code -eq "$1" ] || echo "    exit code $code"
	[ $code -eq "$1" ]
}

bus_env "$tmp/run"
bus_start
bus_peer
bus_user bob
bus_user eve
cp "$UNIBUS_IDENTITY" "$tmp/admin.json"
for room in talk:"" signed:--no-encrypt plain:--plain; do
	unibus room create "room.${room%%:*}" ${room#*:} >/dev/null
	unibus room invite "room.${room%%:*}" bob >/dev/null
	unibus room join "room.${room%%:*}" --identity "$tmp/bob.json" >/dev/null 2>&1
done

# ---- send, tail ----
begin bob tail listening tail room.talk --json --count 6
u "send" 0 '^[A-Za-z0-9_-]{22}$' send room.talk hello there
ref=$(unibus send room.talk second)
u "send --json" 0 '"ref":"' send room.talk third --json
u "send --kind react" 0 '' send room.talk --kind react --reply "$ref" +1
u "send --kind edit" 0 '' send room.talk --kind edit --reply "$ref" "the second"
u "send --kind redact" 0 '' send room.talk --kind redact --reply "$ref"
holds "tail --count ends when so many came" ended_with 0
holds "tail shows what was said" grep -q '"kind":"message".*"text":"hello there"' "$tmp/tail.out"
holds "and by whom" grep -q '"handle":"admin"' "$tmp/tail.out"
holds "and what about it" grep -q "\"kind\":\"edit\".*\"reply\":\"$ref\".*\"text\":\"the second\"" "$tmp/tail.out"
holds "one line each" [ "$(wc -l <"$tmp/tail.out")" = 6 ]
as bob "send --kind edit of another's message is refused by those who know" 0 '' \
	send room.talk --kind edit --reply "$ref" "never said"
u "send of nothing" 2 'what is to be sent' send room.talk
u "send of a reaction to nothing" 2 'needs --reply' send room.talk --kind react +1
u "send of a redaction with text" 2 'has no text' send room.talk --kind redact --reply "$ref" text
u "send of an unknown kind" 2 'kind' send room.talk --kind typing x
u "send in reply to what is no reference" 1 'malformed' send room.talk --reply nothing text
u "send into a room that is not there" 1 '' send room.none text
as eve "send into another's room" 1 '' send room.talk text
u "send --kind in a plain room" 1 'malformed' send room.plain --kind request text
u "send in a plain room" 0 '' send room.plain text
u "send from a pipe" 0 '' send room.talk -
head -c 70000 /dev/zero | tr '\0' x >"$tmp/large"
runs "send of too much" 1 'larger than' sh -c 'unibus send room.talk - <"$1"' sh "$tmp/large"
u "tail --for" 0 '' tail room.talk --for 200ms
u "tail --for that is no time" 2 'for' tail room.talk --for soon
u "tail, when fewer came" 1 '0 of 3 messages' tail room.talk --for 200ms --count 3
u "tail of a room that is not there" 1 '' tail room.none
begin bob tail listening tail room.signed
unibus send room.signed "$(printf 'evil \033[2J')" >/dev/null
has_line evil "$tmp/tail.out"
holds "what others wrote cannot drive the terminal" grep -qF 'evil \x1b[2J' "$tmp/tail.out"
kill -INT "$pid"
holds "tail ends well when interrupted" ended_with 0

# ---- request, work ----
begin bob work working work room.talk --name shop --exec 'tr a-z A-Z; printf " from %s" "$UNIBUS_HANDLE"'
u "request" 0 '^HELLO THERE from admin$' request room.talk hello there
u "request --json" 0 '"failed":false,"text":"HELLO from admin"' request room.talk hello --json
u "request: data never becomes a command" 0 '\$\(ID\); "`ID`' request room.talk '$(id); "`id`'
as bob "work, one name at a time" 1 'at work already' work room.talk --name shop --exec true
as bob "work" 0 'working in room.talk' work room.talk --name again --exec true --for 200ms
as bob "work under another name" 1 '0 of 1 requests' work room.talk --name other --exec true --count 1 --for 200ms
kill -TERM "$pid"
holds "work ends well when told to" ended_with 0
holds "and has said what it did" [ "$(grep -c 'admin: answered' "$tmp/work.err")" = 3 ]
begin bob work working work room.talk --count 1 --json --exec 'cat >/dev/null; echo oops >&2; exit 3'
u "request that fails" 1 'the request failed: exit code 3' request room.talk x
holds "work --count ends when so many were done" ended_with 0
holds "work --json" grep -q '"failed":true,"exit_code":3' "$tmp/work.out"
begin bob work working work room.talk --count 1 --exec-timeout 200ms --exec 'sleep 100 & sleep 100'
u "request that takes too long" 1 'no answer within 200 ms' request room.talk x --json
holds "and nothing of it is left" ended_with 0
begin bob work working work room.talk --count 1 --exec 'head -c 70000 /dev/zero'
u "request whose answer is too large" 1 'larger than' request room.talk x
holds "which work survives" ended_with 0
begin bob work working work room.talk --count 1 --exec 'kill -9 $$'
u "request whose command is killed" 1 'ended by signal 9' request room.talk x
holds "likewise" ended_with 0
begin bob work working work room.talk --count 1 --exec 'printf "\377\376"'
u "request answered with what is no text" 0 'octet-stream.*"data":"//4="' request room.talk x --json
holds "likewise again" ended_with 0
begin bob work working work room.talk --count 2 --parallel 2 --exec \
	"mkdir $tmp/one 2>/dev/null && { until [ -e $tmp/two ]; do :; done; echo first; } || { mkdir $tmp/two; echo second; }"
unibus request room.talk a >"$tmp/first" &
other=$!
u "requests are worked on side by side" 0 '^(first|second)$' request room.talk b
wait "$other"
holds "both" grep -qE '^(first|second)$' "$tmp/first"
holds "and then it ends" ended_with 0
begin bob work working work room.talk --count 1 --messages --exec 'tr a-z A-Z'
begin admin tail listening tail room.talk --json --count 2
unibus send room.talk shout >/dev/null
holds "work --messages answers messages" ended_with 0
holds "in their thread" grep -q '"thread":"[^"]*","reply":"[^"]*".*"text":"SHOUT"' "$tmp/tail.out"
u "request that nobody answers" 1 'nobody answered in time' request room.talk anybody --timeout 300ms
u "request in a plain room" 1 'plain' request room.plain x
u "request of nothing" 2 'usage' request room.talk
u "work without a command" 2 '--exec' work room.talk
u "work with too many at a time" 2 'parallel' work room.talk --exec true --parallel 65
u "work under a name that is none" 1 'malformed' work room.talk --exec true --name a/b
u "work in a room that is not there" 1 '' work room.none --exec true

# ---- chat ----
mkfifo "$tmp/typed"
UNIBUS_IDENTITY=$tmp/bob.json "$build/unibus" chat room.talk >"$tmp/chat.out" 2>&1 <"$tmp/typed" &
pid=$!
exec 6>"$tmp/typed"
has_line 'in it, encrypted' "$tmp/chat.out"
echo "hello from bob" >&6
has_line '\[1\] .* bob: hello from bob' "$tmp/chat.out"
ref=$(unibus send room.talk "hello bob")
has_line '\[2\] .* admin: hello bob' "$tmp/chat.out"
echo "/ref 2" >&6
holds "chat numbers messages" has_line "\[2\] is $ref" "$tmp/chat.out"
echo "/react 2 +1" >&6
holds "chat /react" has_line 'bob reacts to \[2\]: \+1' "$tmp/chat.out"
echo "/edit ^ hello from Bob" >&6
holds "chat /edit" has_line 'bob corrects \[1\]: hello from Bob' "$tmp/chat.out"
echo "/edit 2 never said" >&6
holds "chat /edit of another's" has_line 'not sent: .*(right|allow)' "$tmp/chat.out"
echo "/reply 2 welcome" >&6
holds "chat /reply" has_line '\[3\] .* bob \(to \[2\]\): welcome' "$tmp/chat.out"
printf '/thread 2\nabout that\n/thread\nelsewhere\n' >&6
holds "chat /thread" has_line 'bob \(in \[2\]\): about that' "$tmp/chat.out"
holds "and out of it" has_line 'bob: elsewhere' "$tmp/chat.out"
echo "/redact 1" >&6
holds "chat /redact" has_line 'bob takes back \[1\]' "$tmp/chat.out"
echo "/who" >&6
holds "chat /who" has_line 'admin +owner +here' "$tmp/chat.out"
echo "//slash" >&6
holds "chat: two slashes are one" has_line 'bob: /slash' "$tmp/chat.out"
echo "/frob" >&6
holds "chat: an unknown command" has_line 'there is no /frob' "$tmp/chat.out"
echo "/react 99" >&6
holds "chat: an unknown message" has_line 'there is no message 99' "$tmp/chat.out"
unibus room rekey room.talk >/dev/null
holds "chat: events are shown" has_line '^-- .*key' "$tmp/chat.out"
exec 6>&-
holds "chat ends with its input" ended_with 0
runs "chat --json" 0 '' sh -c 'echo hi | unibus chat room.talk --json'
u "chat in a room that is not there" 1 '' chat room.none
u "chat where?" 2 'usage' chat
as eve "chat in another's room" 1 '' chat room.talk
begin bob removed 'listening' tail room.talk
unibus room remove room.talk bob >/dev/null
holds "who is removed stops listening" ended_with 1
holds "and is told" grep -q 'no longer in room.talk' "$tmp/removed.err"

# ---- bench ----
u "bench" 0 'one by one +[0-9]+ messages/s' bench room.talk --count 100
u "bench --json" 0 '"pipelined":\{"messages":100' bench room.signed --count 100 --size 1000 --json
u "bench in a plain room" 0 'pipelined' bench room.plain --count 100
u "bench with messages too large" 2 'size' bench room.talk --size 100000
u "bench in a room that is not there" 1 '' bench room.none
kill -TERM "$up"
wait "$up"
